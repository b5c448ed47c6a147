/*
 * Numbers and durations from text: the only integer parsers of the project. Strict: no sign unless
 * stated, no white space, no trailing bytes, overflow is an error.
 */
#ifndef BASE_NUM_H
#define BASE_NUM_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* Decimal digits of text[0..len) as a number in [min, max]. */
int num_parse_u64(const char *text, size_t len, uint64_t min, uint64_t max, uint64_t *out,
                  struct err *err);
/* NUL-terminated forms. */
int num_parse_int(const char *text, int min, int max, int *out, struct err *err);
int num_parse_i64(const char *text, int64_t min, int64_t max, int64_t *out, struct err *err);

/* "90", "90s", "15m", "12h", "7d" in seconds, at most max. */
int num_parse_duration(const char *text, int64_t max, int64_t *seconds, struct err *err);

/* "512", "512k", "512m", "2g" (powers of 1024) in bytes. */
int num_parse_bytes(const char *text, uint64_t max, uint64_t *bytes, struct err *err);

#endif
