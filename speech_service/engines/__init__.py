"""Models. One backend is one module (or one folder); ``registry`` resolves kinds to modules."""
