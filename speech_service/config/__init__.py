"""The configuration: what there is to set (``tree``), and how it is read (``load``)."""
