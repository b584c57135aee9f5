"""Directions by optimisation: gradients through the model itself, by torch.

Does not know closed-form methods (convert.directions): it starts from what one of them found.

    choices.py       contrast pairs -> two answers to one prompt, as token ids
    steered.py       the model with a vector added: log-probabilities of answers, KL on neutral text
    preference.py    the search, on the surface of a KL budget
    checkpoint.py    where an interrupted search goes on
"""
