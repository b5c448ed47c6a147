/*
 * Answers of a forge with their ETags (RFC 9110 section 8.8.3): asked again with If-None-Match, a
 * forge that has nothing new says 304, which GitHub does not count against the rate limit.
 *
 * An answer is remembered for the token that asked, and for FORGE_MEMORY_LIFE_S from when it came
 * whole: a proxy that says 304 for ever cannot keep somebody in longer than that. Any thread; the
 * oldest make room.
 */
#ifndef FORGE_MEMORY_H
#define FORGE_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "http/client.h"

#define FORGE_MEMORY_LIFE_S 3600
#define FORGE_MEMORY_ENTRIES_MAX 4096
#define FORGE_MEMORY_BYTES_MAX (16 * 1024 * 1024) /* of bodies and headers */
#define FORGE_MEMORY_BODY_MAX (512 * 1024)        /* a larger one is not remembered */
#define FORGE_ETAG_MAX 256

struct forge_memory;

struct forge_memory *forge_memory_new(void);
void forge_memory_free(struct forge_memory *m);

/* Appends the remembered answer's ETag and fills *res (emptied, released by the caller) with the
 * answer; false: there is none that is young enough. token NULL: asked without. */
bool forge_memory_find(struct forge_memory *m, const char *url, const char *token, int64_t now,
                       struct str *etag, struct http_response *res);
/* Remembers an answer of status 200, in place of an earlier one, if it has a usable ETag. */
void forge_memory_put(struct forge_memory *m, const char *url, const char *token, int64_t now,
                      const struct http_response *res);

/* `"..."` or `W/"..."` of visible ASCII, at most FORGE_ETAG_MAX bytes. Pure. */
bool forge_etag_is_usable(const char *etag, size_t len);
/* Whether both name the same answer, weak or not. Pure. */
bool forge_etag_is_same(const char *a, const char *b);

#endif
