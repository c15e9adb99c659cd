"""The remedies, one judgement each: what it comes to for this load, what it costs, and when it stops being right."""
