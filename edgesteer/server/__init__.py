"""The local server: an OpenAI-compatible API with steering in each request, and the page.

Does not know how an answer is made: its handlers are thin over `edgesteer.Model`. Starlette and its
friends are imported by the modules below, never by this one.
"""
