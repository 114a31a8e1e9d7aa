"""Records, topics and consumer groups behind one contract. Nothing here knows what a payload means.

Begin with `contract`; every broker passes `tests/contract/test_brokers.py`.
"""
