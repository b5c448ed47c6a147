#include "auth/device.h"

#include <stdlib.h>
#include <string.h>

#include "auth/hash.h"
#include "auth/held.h"
#include "base/enc.h"
#include "base/json.h"
#include "base/mem.h"

#define CODE_BYTES 32
#define SLOW_DOWN_S 5
#define HELD_MAX (128 * 1024) /* sealed text */

/* A code whose provider is being asked right now. */
struct busy {
    char hash[AUTH_HASH_LEN + 1];
    char *provider;
};

struct devices {
    struct store *store;
    const struct vault *vault;
    const struct clock *clock;
    struct busy busy[DEVICE_BUSY_MAX];
    size_t n_busy;
};

struct devices *devices_new(struct store *store, const struct vault *vault,
                            const struct clock *clock)
{
    struct devices *d = xcalloc(1, sizeof *d);
    d->store = store;
    d->vault = vault;
    d->clock = clock;
    return d;
}

void devices_free(struct devices *d)
{
    for (size_t i = 0; d && i < d->n_busy; i++)
        free(d->busy[i].provider);
    free(d);
}

static int64_t clamp(int64_t v, int64_t min, int64_t max)
{
    return v < min ? min : v > max ? max : v;
}

int devices_add(struct devices *d, const char *provider, const struct auth_start_out *started,
                struct str *code, struct err *err)
{
    unsigned char raw[CODE_BYTES];
    cleanup_str struct str text = STR_INIT;
    cleanup_str struct str state = STR_INIT;
    rnd_bytes(raw, sizeof raw);
    enc_base64url(&text, raw, sizeof raw);
    json_print(started->state, &state);
    int64_t now = clock_now(d->clock);
    struct store_device row = {
        .provider = (char *)provider,
        .state = state.p,
        .created_at = now,
        .expires_at = now + clamp(started->expires_in, 1, DEVICE_LIFE_MAX),
        .interval = clamp(started->interval, 1, DEVICE_INTERVAL_MAX),
        .next_poll_at = clock_mono_ms(d->clock),
    };
    auth_hash(text.p, row.hash);
    int rc = store_device_insert(d->store, &row, now, err);
    if (!rc)
        str_adds(code, text.p);
    return rc;
}

void device_poll_release(struct device_poll *p)
{
    free(p->provider);
    json_object_put(p->state);
    if (p->held)
        oauth_tokens_release(p->held);
    free(p->held);
    memset(p, 0, sizeof *p);
}

static struct busy *busy_find(struct devices *d, const char *hash)
{
    for (size_t i = 0; i < d->n_busy; i++)
        if (strcmp(d->busy[i].hash, hash) == 0)
            return &d->busy[i];
    return NULL;
}

/* A provider that does not answer leaves room for the others. */
static bool busy_is_full(const struct devices *d, const char *provider)
{
    size_t n = 0;
    for (size_t i = 0; i < d->n_busy; i++)
        n += strcmp(d->busy[i].provider, provider) == 0;
    return n >= DEVICE_BUSY_EACH_MAX || d->n_busy == DEVICE_BUSY_MAX;
}

static void busy_begin(struct devices *d, const char *hash, const char *provider)
{
    struct busy *b = &d->busy[d->n_busy++];
    memcpy(b->hash, hash, sizeof b->hash);
    b->provider = xstrdup(provider);
}

static void busy_end(struct devices *d, const char *hash)
{
    struct busy *at = busy_find(d, hash);
    BUG_ON(!at);
    free(at->provider);
    *at = d->busy[--d->n_busy];
}

/* Milliseconds, since providers refuse a poll that is half a second early. The machine may have
 * been started anew since then, and its monotonic clock with it. */
static bool is_due(const struct devices *d, const struct store_device *row)
{
    int64_t wait = row->next_poll_at - clock_mono_ms(d->clock);
    return wait <= 0 || wait > DEVICE_INTERVAL_MAX * 1000;
}

static enum device_step step_of(struct devices *d, const struct store_device *row, bool has_answer)
{
    if (row->expires_at <= clock_now(d->clock))
        return DEVICE_EXPIRED;
    if (busy_find(d, row->hash) || busy_is_full(d, row->provider))
        return DEVICE_PENDING;
    return has_answer || is_due(d, row) ? DEVICE_ASK : DEVICE_PENDING;
}

static bool code_looks_right(const char *code)
{
    cleanup_str struct str raw = STR_INIT;
    return strlen(code) == DEVICE_CODE_LEN &&
           enc_unbase64url(code, DEVICE_CODE_LEN, &raw, NULL) == 0;
}

/* What cannot be opened any more (the key was changed) is gone: the provider is asked again. */
static void find_held(const struct devices *d, struct device_poll *p)
{
    const char *sealed = NULL;
    if (d->vault && json_opt_str(p->state, "held", HELD_MAX, &sealed, NULL) == 0 && sealed)
        held_open(d->vault, p->hash, sealed, clock_now(d->clock), &p->held, NULL);
}

/* Into the login's state, which is replaced. */
static int hold(const struct devices *d, const char *hash, const struct oauth_tokens *tokens,
                struct store_device *row, struct err *err)
{
    cleanup_str struct str sealed = STR_INIT;
    cleanup_str struct str text = STR_INIT;
    cleanup_json struct json_object *state = NULL;
    int rc;
    if ((rc = json_parse(row->state, strlen(row->state), &state, err)) ||
        (rc = held_seal(d->vault, hash, tokens, clock_now(d->clock), &sealed, err)))
        return rc;
    json_add_str(state, "held", sealed.p);
    json_print(state, &text);
    free(row->state);
    row->state = str_detach(&text);
    return 0;
}

int devices_poll_begin(struct devices *d, const char *code, bool has_answer, struct device_poll *p,
                       enum device_step *step, struct err *err)
{
    memset(p, 0, sizeof *p);
    *step = DEVICE_UNKNOWN;
    if (!code_looks_right(code))
        return 0;
    auth_hash(code, p->hash);
    struct store_device row = {0};
    struct err why = ERR_INIT;
    int rc = store_device_get(d->store, p->hash, &row, &why);
    if (rc == ERR_NOT_FOUND)
        return 0;
    if (!rc)
        rc = json_parse(row.state, strlen(row.state), &p->state, &why);
    if (!rc) {
        p->interval = row.interval;
        p->provider = xstrdup(row.provider);
        *step = step_of(d, &row, has_answer);
    }
    if (!rc && *step == DEVICE_ASK) {
        busy_begin(d, p->hash, p->provider);
        find_held(d, p);
    }
    store_device_release(&row);
    return rc ? err_set(err, rc, "%s", why.msg) : 0;
}

/* Writes what the poll changed; the next one is counted from now, the end of this one. */
static int keep_going(struct devices *d, const struct device_poll *p, int code,
                      struct auth_poll_out *out, int64_t *interval, struct err *err)
{
    struct store_device row = {0};
    int rc = store_device_get(d->store, p->hash, &row, err);
    if (rc)
        return rc;
    if (out->interval > row.interval)
        row.interval = clamp(out->interval, 1, DEVICE_INTERVAL_MAX);
    else if (out->status == AUTH_SLOW_DOWN)
        row.interval = clamp(row.interval + SLOW_DOWN_S, 1, DEVICE_INTERVAL_MAX);
    else if (code == ERR_UNAVAILABLE && row.interval < DEVICE_BACK_OFF_MAX) /* RFC 8628 3.5 */
        row.interval = clamp(row.interval * 2, 1, DEVICE_BACK_OFF_MAX);
    row.next_poll_at = clock_mono_ms(d->clock) + row.interval * 1000;
    if (out->state) {
        cleanup_str struct str text = STR_INIT;
        json_print(out->state, &text);
        free(row.state);
        row.state = str_detach(&text);
    }
    *interval = row.interval;
    if (code && out->tokens && d->vault)
        rc = hold(d, p->hash, out->tokens, &row, err);
    if (rc == 0)
        rc = store_device_update(d->store, &row, err);
    store_device_release(&row);
    return rc;
}

int devices_poll_finish(struct devices *d, const struct device_poll *p, int code,
                        struct auth_poll_out *out, int64_t *interval, struct err *err)
{
    busy_end(d, p->hash);
    *interval = p->interval;
    bool goes_on = (code && out->status != AUTH_FAILED) || out->status == AUTH_PENDING ||
                   out->status == AUTH_SLOW_DOWN || (out->status == AUTH_DENIED && out->keep);
    struct err why = ERR_INIT;
    int rc = goes_on ? keep_going(d, p, code, out, interval, &why)
                     : store_device_consume(d->store, p->hash, &why);
    if (rc == ERR_NOT_FOUND) {
        out->status = AUTH_EXPIRED;
        return 0;
    }
    return rc ? err_set(err, rc, "%s", why.msg) : 0;
}
