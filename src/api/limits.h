/*
 * Rate limits: a token bucket for each (class, client address) and each (class, account), in a
 * table of fixed size. A bucket holds one minute's worth, so that a burst of that many passes at
 * once. IPv6 addresses count by their /64. When too many addresses are about, the one unseen for
 * longest is forgotten.
 */
#ifndef API_LIMITS_H
#define API_LIMITS_H

#include <stdint.h>

#define LIMITS_SLOTS 16384

struct limits;

struct limits *limits_new(void);
void limits_free(struct limits *l);

/* Takes one request; 0: fine, otherwise the seconds until the next one would be. per_min 0: no
 * limit. */
int limits_take(struct limits *l, int class, const char *address, int per_min, int64_t now_ms);
/* The same for an account, wherever it comes from. */
int limits_take_account(struct limits *l, int class, const char *provider, const char *subject,
                        int per_min, int64_t now_ms);

#endif
