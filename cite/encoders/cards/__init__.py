"""The rows of the model zoo, one file per family; `cite.encoders.zoo` puts them together."""
