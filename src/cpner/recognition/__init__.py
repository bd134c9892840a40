"""Text in, predictions out: windows, batches, decoding under the grammar, votes. Knows no store."""
