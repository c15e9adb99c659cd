"""The client side of protocols that Outlive does not speak: bytes are passed on as they come."""
