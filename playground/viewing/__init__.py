"""What window and web page both show: choices, demonstrations' pictures, readouts. No screen, no toolkit."""
