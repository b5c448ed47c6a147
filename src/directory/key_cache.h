/* Public keys and logins that were fetched a moment ago, by provider and the person's id. Any
 * thread; the oldest entry makes room. */
#ifndef DIRECTORY_KEY_CACHE_H
#define DIRECTORY_KEY_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

struct key_cache;

struct key_cache *key_cache_new(size_t max);
void key_cache_free(struct key_cache *c);
/* False: nothing that is still good. *login is owned by the caller. */
bool key_cache_get(struct key_cache *c, const char *provider, const char *subject, int64_t now,
                   char **login, struct strv *keys);
void key_cache_put(struct key_cache *c, const char *provider, const char *subject, int64_t until,
                   const char *login, const struct strv *keys);

#endif
