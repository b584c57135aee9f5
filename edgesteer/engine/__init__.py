"""The engine: llama.cpp driven from Python, many sequences at once, each steered its own way.

Knows nothing of the library of names, of files other than the model's, or of chat windows.
"""
