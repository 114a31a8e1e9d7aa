// So much at once; the rest waits its turn.

/** @param {number} most @returns {<T>(work: () => Promise<T>) => Promise<T>} */
export function turns(most) {
  let free = most;
  /** @type {(() => void)[]} */
  const waiting = [];
  return async (work) => {
    if (free) {
      free -= 1;
    } else {
      await new Promise((resolve) => waiting.push(() => resolve(null)));
    }
    try {
      return await work();
    } finally {
      const next = waiting.shift();
      if (next) {
        next();
      } else {
        free += 1;
      }
    }
  };
}
