/*
 * How much two contents have in common: a fingerprint of each, and the count.
 */
#ifndef MERGE_SIMILARITY_H
#define MERGE_SIMILARITY_H

#include <stddef.h>
#include <stdint.h>

/* Score of two equal contents. */
#define SIMILARITY_MAX 60000u

struct fingerprint {
    struct fingerprint_chunk *v; /* sorted by hash */
    size_t len;
    size_t size; /* of the content, in bytes */
};

void fingerprint_init(struct fingerprint *f, const char *p, size_t len);
void fingerprint_release(struct fingerprint *f);

/* Bytes in common over the longer length, times SIMILARITY_MAX. Without reading the content, two
 * sizes alone allow at most similarity_of_sizes. */
uint32_t similarity(const struct fingerprint *a, const struct fingerprint *b);
uint32_t similarity_of_sizes(size_t a, size_t b);

#endif
