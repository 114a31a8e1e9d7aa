"""The operator `restyle`: a film as if painted, by networks for style transfer. `operator.py` is the way in;
`styles.py` names the styles, `painting.py` runs the networks, `steadying.py` lets each picture go on from the last.
"""
