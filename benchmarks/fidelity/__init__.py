"""Are changes of layout predicted? Worlds with a known truth, predictors, and how close they come.

A *world* is a store, a town that shops there, what a tracking system and the tills saw, and changes of the
layout whose effect on this very town is known. Family S is the reference shopper with behaviour drawn anew,
family X a shopper of another structure (`other_shopper`), written from behavioural papers alone.
"""
