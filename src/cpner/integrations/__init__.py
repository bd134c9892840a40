"""cpner inside other libraries: spaCy, Presidio, Haystack, and answers as Hugging Face's pipeline gives them."""
