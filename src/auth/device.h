/*
 * Device logins (RFC 8628) in front of every provider: the code that the client holds, its life in
 * the store, and the pace of polls. However fast a client polls, a provider is asked no more often
 * than its interval, and once at a time per code.
 *
 * The two halves around a provider's verb are separate, so that a blocking verb can run on a worker
 * thread between them; begin and finish belong to the loop's thread.
 */
#ifndef AUTH_DEVICE_H
#define AUTH_DEVICE_H

#include <stdint.h>

#include "auth/provider.h"
#include "auth/vault.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/str.h"
#include "store/store.h"

#define DEVICE_CODE_LEN 43      /* 256 bits, base64url */
#define DEVICE_BUSY_MAX 64      /* polls under way at once */
#define DEVICE_BUSY_EACH_MAX 16 /* of them at one provider */
#define DEVICE_INTERVAL_MAX 300
#define DEVICE_LIFE_MAX 3600
#define DEVICE_BACK_OFF_MAX 30 /* s: the interval doubles up to this while a provider fails */

struct devices;

/* vault: seals what a login under way must keep; NULL: it keeps nothing secret. Borrowed. */
struct devices *devices_new(struct store *store, const struct vault *vault,
                            const struct clock *clock);
void devices_free(struct devices *d);

/* Stores a login that a provider has begun; appends the device code. ERR_LIMIT: too many are under
 * way. */
int devices_add(struct devices *d, const char *provider, const struct auth_start_out *started,
                struct str *code, struct err *err);

/* What devices_poll_begin found. */
enum device_step {
    DEVICE_ASK,     /* call the provider's poll, then devices_poll_finish */
    DEVICE_PENDING, /* not yet time, or somebody else is asking: answer pending */
    DEVICE_EXPIRED,
    DEVICE_UNKNOWN,
};

struct device_poll {
    char hash[STORE_HASH_LEN + 1];
    char *provider;
    struct json_object *state; /* for the provider */
    struct oauth_tokens *held; /* likewise; NULL: nothing */
    int64_t interval;
};
void device_poll_release(struct device_poll *p);

/* has_answer: the client brings something (a signature), so the interval does not apply. */
int devices_poll_begin(struct devices *d, const char *code, bool has_answer, struct device_poll *p,
                       enum device_step *step, struct err *err);

/* code and out: what the provider's poll gave. A completed or refused login is taken out of the
 * store; of several at once exactly one sees AUTH_COMPLETE, the others AUTH_EXPIRED. *interval is
 * what the client shall wait. */
int devices_poll_finish(struct devices *d, const struct device_poll *p, int code,
                        struct auth_poll_out *out, int64_t *interval, struct err *err);

#endif
