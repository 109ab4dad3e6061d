"""Near-duplicates in any folder of images, without Label Studio, database or queue."""
