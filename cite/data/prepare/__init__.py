"""What `cite prepare` does to a data set: unpack, look at every image, find duplicates, split, write."""
