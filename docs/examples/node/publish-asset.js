// Publishes an asset event with @platformatic/kafka: CloudEvents in binary mode.
// The attributes are headers, the value is JSON.
//
//     npm install
//     node publish-asset.js localhost:9092 assets file:///footage/interview.mov
import { randomUUID } from 'node:crypto'
import { Producer, stringSerializers } from '@platformatic/kafka'

const [servers, topic, uri] = process.argv.slice(2)
if (!uri) {
  console.error('usage: publish-asset.js SERVERS TOPIC URI')
  process.exit(2)
}
const assetId = uri.split('/').at(-1) // any name that stays the same when the asset is published again
const producer = new Producer({
  clientId: 'publish-asset',
  bootstrapBrokers: servers.split(','),
  serializers: stringSerializers
})
try {
  const { offsets } = await producer.send({
    messages: [
      {
        topic,
        key: assetId,
        value: JSON.stringify({ uri, asset_id: assetId, labels: { desk: 'sport' }, priority: 'interactive' }),
        headers: {
          ce_specversion: '1.0',
          ce_id: randomUUID(),
          ce_source: 'urn:example:publish-asset',
          ce_type: 'rushes.asset.published.v1',
          ce_time: new Date().toISOString(),
          ce_tenant: 'acme',
          ce_project: 'news',
          'content-type': 'application/json'
        }
      }
    ]
  })
  for (const { topic, partition, offset } of offsets) {
    console.log(`published to ${topic}, partition ${partition}, offset ${offset}`)
  }
} finally {
  await producer.close()
}
