"""What clients ask for, as plain values: checked against the models, with the server's defaults filled in."""
