#include "forge/memory.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>

#include "base/enc.h"
#include "base/mem.h"

struct entry {
    char *key; /* hash of token and URL */
    char *etag;
    int64_t at;
    struct strv headers;
    struct str body;
    size_t bytes; /* of these two */
};

struct forge_memory {
    pthread_mutex_t lock;
    struct entry *entries;
    size_t len, cap;
    size_t bytes;
};

struct forge_memory *forge_memory_new(void)
{
    struct forge_memory *m = xcalloc(1, sizeof *m);
    pthread_mutex_init(&m->lock, NULL);
    return m;
}

static void entry_release(struct entry *e)
{
    free(e->key);
    free(e->etag);
    strv_release(&e->headers);
    str_release(&e->body);
}

void forge_memory_free(struct forge_memory *m)
{
    if (!m)
        return;
    for (size_t i = 0; i < m->len; i++)
        entry_release(&m->entries[i]);
    free(m->entries);
    pthread_mutex_destroy(&m->lock);
    free(m);
}

bool forge_etag_is_usable(const char *etag, size_t len)
{
    if (len > FORGE_ETAG_MAX)
        return false;
    if (len > 2 && memcmp(etag, "W/", 2) == 0) {
        etag += 2;
        len -= 2;
    }
    if (len < 2 || etag[0] != '"' || etag[len - 1] != '"')
        return false;
    for (size_t i = 1; i < len - 1; i++)
        if (etag[i] <= 0x20 || etag[i] >= 0x7f || etag[i] == '"')
            return false;
    return true;
}

bool forge_etag_is_same(const char *a, const char *b)
{
    a += str_starts_with(a, "W/") ? 2 : 0;
    b += str_starts_with(b, "W/") ? 2 : 0;
    return strcmp(a, b) == 0;
}

static void add_key(struct str *key, const char *url, const char *token)
{
    cleanup_str_secret struct str text = STR_INIT;
    unsigned char digest[32];
    str_addf(&text, "%s\n%s", token ? token : "", url);
    int ok = EVP_Digest(text.p, text.len, digest, NULL, EVP_sha256(), NULL);
    BUG_ON(ok != 1);
    enc_hex(key, digest, sizeof digest);
}

static struct entry *find(struct forge_memory *m, const char *key)
{
    for (size_t i = 0; i < m->len; i++)
        if (strcmp(m->entries[i].key, key) == 0)
            return &m->entries[i];
    return NULL;
}

static void drop(struct forge_memory *m, struct entry *e)
{
    m->bytes -= e->bytes;
    entry_release(e);
    *e = m->entries[--m->len];
}

static void make_room(struct forge_memory *m, size_t bytes)
{
    while (m->len &&
           (m->len >= FORGE_MEMORY_ENTRIES_MAX || m->bytes + bytes > FORGE_MEMORY_BYTES_MAX)) {
        struct entry *oldest = &m->entries[0];
        for (size_t i = 1; i < m->len; i++)
            if (m->entries[i].at < oldest->at)
                oldest = &m->entries[i];
        drop(m, oldest);
    }
}

static size_t size_of(const struct http_response *res)
{
    size_t n = res->body.len;
    for (size_t i = 0; i < res->headers.len; i++)
        n += strlen(res->headers.v[i]);
    return n;
}

static void copy_headers(struct strv *to, const struct strv *from)
{
    for (size_t i = 0; i < from->len; i++)
        strv_push(to, from->v[i]);
}

bool forge_memory_find(struct forge_memory *m, const char *url, const char *token, int64_t now,
                       struct str *etag, struct http_response *res)
{
    cleanup_str struct str key = STR_INIT;
    add_key(&key, url, token);
    pthread_mutex_lock(&m->lock);
    const struct entry *e = find(m, key.p);
    bool good = e && now >= e->at && now - e->at < FORGE_MEMORY_LIFE_S;
    if (good) {
        str_adds(etag, e->etag);
        res->status = 200;
        res->sent = true;
        copy_headers(&res->headers, &e->headers);
        str_add(&res->body, e->body.p, e->body.len);
    }
    pthread_mutex_unlock(&m->lock);
    return good;
}

void forge_memory_put(struct forge_memory *m, const char *url, const char *token, int64_t now,
                      const struct http_response *res)
{
    const char *etag = http_response_header(res, "etag");
    cleanup_str struct str key = STR_INIT;
    add_key(&key, url, token);
    pthread_mutex_lock(&m->lock);
    struct entry *old = find(m, key.p);
    if (old)
        drop(m, old);
    if (etag && forge_etag_is_usable(etag, strlen(etag)) &&
        res->body.len <= FORGE_MEMORY_BODY_MAX) {
        size_t bytes = size_of(res);
        make_room(m, bytes);
        VEC_GROW(m->entries, m->len, m->cap);
        struct entry *e = &m->entries[m->len++];
        *e = (struct entry){
            .key = str_detach(&key), .etag = xstrdup(etag), .at = now, .bytes = bytes};
        e->headers = (struct strv)STRV_INIT;
        e->body = (struct str)STR_INIT;
        copy_headers(&e->headers, &res->headers);
        str_add(&e->body, res->body.p, res->body.len);
        m->bytes += bytes;
    }
    pthread_mutex_unlock(&m->lock);
}
