//! Running CRC-64/REDIS.
