"""What a detector does not know about the objects of an image; its distributions end with the background."""
