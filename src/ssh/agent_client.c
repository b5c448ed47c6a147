#include "ssh/agent_client.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "ssh/wire.h"

/* Message numbers of draft-ietf-sshm-ssh-agent, section 6.1. */
#define MSG_FAILURE 5
#define MSG_REQUEST_IDENTITIES 11
#define MSG_IDENTITIES_ANSWER 12
#define MSG_SIGN_REQUEST 13
#define MSG_SIGN_RESPONSE 14
#define FLAG_RSA_SHA2_512 4

static int open_agent(const char *socket_path, struct err *err)
{
    if (!socket_path || !*socket_path)
        return err_set(err, ERR_UNAVAILABLE, "no ssh-agent is running (SSH_AUTH_SOCK is not set)");
    int fd = fd_unix_connect(socket_path, err);
    if (fd < 0) {
        err_wrap(err, "ssh-agent");
        return ERR_UNAVAILABLE;
    }
    struct timeval limit = {SSH_AGENT_TIMEOUT_MS / 1000, 0};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    return fd;
}

/* One request, one answer without its length. */
static int ask(const char *socket_path, const struct str *request, struct str *answer,
               struct err *err)
{
    cleanup_close int fd = open_agent(socket_path, err);
    if (fd < 0)
        return fd;
    cleanup_str struct str framed = STR_INIT;
    ssh_put_string(&framed, request->p, request->len);
    unsigned char head[4];
    int rc = fd_write_full(fd, framed.p, framed.len, err);
    if (!rc)
        rc = fd_read_full(fd, head, sizeof head, err);
    if (rc) {
        err_wrap(err, "ssh-agent");
        return rc;
    }
    struct ssh_reader r = ssh_reader_of(head, sizeof head);
    uint32_t n = 0;
    ssh_get_u32(&r, &n);
    if (n == 0 || n > SSH_AGENT_MSG_MAX)
        return err_set(err, ERR_INVALID, "ssh-agent: malformed answer");
    rc = fd_read_full(fd, str_reserve(answer, n), n, err);
    if (rc) {
        err_wrap(err, "ssh-agent");
        return rc;
    }
    str_grew(answer, n);
    return 0;
}

void ssh_agent_keys_free(struct ssh_key *keys, size_t n)
{
    for (size_t i = 0; i < n; i++)
        ssh_key_release(&keys[i]);
    free(keys);
}

int ssh_agent_parse_keys(const void *answer, size_t len, struct ssh_key **keys, size_t *n,
                         struct err *err)
{
    struct ssh_reader r = ssh_reader_of(answer, len);
    uint8_t kind;
    uint32_t count;
    *keys = NULL;
    *n = 0;
    if (!ssh_get_u8(&r, &kind) || kind != MSG_IDENTITIES_ANSWER || !ssh_get_u32(&r, &count))
        return err_set(err, ERR_INVALID, "ssh-agent: malformed list of keys");
    if (count > SSH_AGENT_KEYS_MAX)
        return err_set(err, ERR_LIMIT, "ssh-agent: more than %d keys", SSH_AGENT_KEYS_MAX);
    struct ssh_key *list = xcalloc(count + 1, sizeof *list);
    size_t used = 0;
    for (uint32_t i = 0; i < count; i++) {
        struct ssh_slice blob, comment;
        if (!ssh_get_string(&r, &blob) || !ssh_get_string(&r, &comment)) {
            ssh_agent_keys_free(list, used);
            return err_set(err, ERR_INVALID, "ssh-agent: malformed list of keys");
        }
        if (ssh_key_parse_blob(blob.p, blob.len, &list[used], NULL) == 0)
            used++;
    }
    *keys = list;
    *n = used;
    return 0;
}

int ssh_agent_list(const char *socket_path, struct ssh_key **keys, size_t *n, struct err *err)
{
    cleanup_str struct str request = STR_INIT;
    cleanup_str struct str answer = STR_INIT;
    ssh_put_u8(&request, MSG_REQUEST_IDENTITIES);
    int rc = ask(socket_path, &request, &answer, err);
    return rc ? rc : ssh_agent_parse_keys(answer.p, answer.len, keys, n, err);
}

int ssh_agent_sign(const char *socket_path, const struct ssh_key *key, const void *data, size_t len,
                   struct str *out, struct err *err)
{
    cleanup_str struct str request = STR_INIT;
    cleanup_str struct str answer = STR_INIT;
    ssh_put_u8(&request, MSG_SIGN_REQUEST);
    ssh_put_string(&request, key->blob.p, key->blob.len);
    ssh_put_string(&request, data, len);
    ssh_put_u32(&request, key->type == SSH_KEY_RSA ? FLAG_RSA_SHA2_512 : 0);
    int rc = ask(socket_path, &request, &answer, err);
    if (rc)
        return rc;
    struct ssh_reader r = ssh_reader_of(answer.p, answer.len);
    struct ssh_slice signature;
    uint8_t kind;
    if (!ssh_get_u8(&r, &kind))
        return err_set(err, ERR_INVALID, "ssh-agent: malformed answer");
    if (kind == MSG_FAILURE)
        return err_set(err, ERR_DENIED, "ssh-agent refused to sign with this key");
    if (kind != MSG_SIGN_RESPONSE || !ssh_get_string(&r, &signature) || r.left)
        return err_set(err, ERR_INVALID, "ssh-agent: malformed answer");
    str_add(out, signature.p, signature.len);
    return 0;
}
