//! Deflate and gzip exactly as Go wrote them up to Go 1.26.
