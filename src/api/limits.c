#include "api/limits.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "auth/hash.h"
#include "base/enc.h"
#include "base/mem.h"

#define WAYS 8
#define SETS (LIMITS_SLOTS / WAYS)
#define MINUTE_MS 60000
#define KEY_LEN 18 /* class, family, address or hash of an account */
#define FAMILY_ACCOUNT 1

struct bucket {
    unsigned char key[KEY_LEN];
    double tokens;
    int64_t seen_ms; /* 0: unused */
};

struct limits {
    uint64_t seed;
    struct bucket v[LIMITS_SLOTS];
};

struct limits *limits_new(void)
{
    struct limits *l = xcalloc(1, sizeof *l);
    rnd_bytes(&l->seed, sizeof l->seed);
    return l;
}

void limits_free(struct limits *l)
{
    free(l);
}

static void make_key(int class, const char *address, unsigned char key[KEY_LEN])
{
    memset(key, 0, KEY_LEN);
    key[0] = (unsigned char)class;
    if (inet_pton(AF_INET, address, key + 2) == 1) {
        key[1] = 4;
    } else if (inet_pton(AF_INET6, address, key + 2) == 1) {
        key[1] = 6;
        memset(key + 10, 0, 8);
    }
}

/* FNV-1a from a secret start: nobody can aim at somebody else's bucket. */
static uint64_t hash_of(const struct limits *l, const unsigned char key[KEY_LEN])
{
    uint64_t h = l->seed ^ 14695981039346656037ULL;
    for (size_t i = 0; i < KEY_LEN; i++)
        h = (h ^ key[i]) * 1099511628211ULL;
    return h ^ h >> 29;
}

static struct bucket *find(struct limits *l, const unsigned char key[KEY_LEN], int per_min,
                           int64_t now_ms)
{
    struct bucket *set = &l->v[(hash_of(l, key) % SETS) * WAYS];
    struct bucket *oldest = set;
    for (size_t i = 0; i < WAYS; i++) {
        if (set[i].seen_ms && memcmp(set[i].key, key, KEY_LEN) == 0)
            return &set[i];
        if (set[i].seen_ms < oldest->seen_ms)
            oldest = &set[i];
    }
    memcpy(oldest->key, key, KEY_LEN);
    oldest->tokens = per_min;
    oldest->seen_ms = now_ms;
    return oldest;
}

static int take(struct limits *l, const unsigned char key[KEY_LEN], int per_min, int64_t now_ms)
{
    struct bucket *b = find(l, key, per_min, now_ms);
    double rate = (double)per_min / MINUTE_MS;
    b->tokens += (double)(now_ms - b->seen_ms) * rate;
    if (b->tokens > per_min)
        b->tokens = per_min;
    b->seen_ms = now_ms;
    if (b->tokens >= 1) {
        b->tokens -= 1;
        return 0;
    }
    return (int)((1 - b->tokens) / rate / 1000) + 1;
}

int limits_take(struct limits *l, int class, const char *address, int per_min, int64_t now_ms)
{
    unsigned char key[KEY_LEN];
    if (per_min == 0)
        return 0;
    make_key(class, address, key);
    return take(l, key, per_min, now_ms);
}

int limits_take_account(struct limits *l, int class, const char *provider, const char *subject,
                        int per_min, int64_t now_ms)
{
    unsigned char key[KEY_LEN] = {(unsigned char)class, FAMILY_ACCOUNT};
    char hash[AUTH_HASH_LEN + 1];
    if (per_min == 0)
        return 0;
    cleanup_free char *name = xasprintf("%s/%s", provider, subject);
    auth_hash(name, hash);
    memcpy(key + 2, hash, KEY_LEN - 2);
    return take(l, key, per_min, now_ms);
}
