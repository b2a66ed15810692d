"""The room of certificates: judged by Go's recorded answers, by OpenSSL and by hostile bytes."""
