"""What models say about images, and how it reaches Label Studio."""
