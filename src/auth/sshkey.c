/*
 * Login by an SSH key that the users file names. The server sends a challenge, the client signs it
 * (ssh-keygen -Y sign, namespace SSHSIG_LOGIN_NAMESPACE) and polls with login and signature.
 *
 * The challenge names the server's id and a nonce, the namespace the origin that the client dialled
 * (own_names.h), so a signature is good for this server and this login only; a few wrong ones are
 * borne, because a client may hold several keys and not know which.
 */
#include <stdlib.h>
#include <string.h>

#include "auth/own_names.h"
#include "auth/provider.h"
#include "auth/users.h"
#include "base/enc.h"
#include "base/log.h"
#include "base/mem.h"
#include "proto/spec.h"
#include "ssh/sshsig.h"

#define NAME "sshkey"
#define LIFE_S 120
#define INTERVAL_S 1
#define NONCE_BYTES 32
#define TRIES_MAX 10

struct sshkey {
    struct auth_provider base;
    struct users *users;           /* borrowed */
    const struct own_names *names; /* borrowed */
    char *server_id;
};

static int start(struct auth_provider *p, const struct auth_start_in *in,
                 struct auth_start_out *out, struct err *err)
{
    struct sshkey *self = (struct sshkey *)p;
    unsigned char nonce[NONCE_BYTES];
    (void)err;
    rnd_bytes(nonce, sizeof nonce);
    str_addf(&out->challenge, "steadystate-login-v1 server=%s expires=%jd nonce=", self->server_id,
             (intmax_t)in->now + LIFE_S);
    enc_base64url(&out->challenge, nonce, sizeof nonce);
    out->expires_in = LIFE_S;
    out->interval = INTERVAL_S;
    out->state = json_object_new_object();
    json_add_str(out->state, "challenge", out->challenge.p);
    json_add_i64(out->state, "tries", TRIES_MAX);
    return 0;
}

/* Only somebody whose signature is good learns by which names this server goes. */
static int check_name(struct sshkey *self, const struct sshsig *sig, const struct auth_poll_in *in,
                      struct str *reason, struct err *err)
{
    enum own_name name;
    struct err why = ERR_INIT;
    int rc = own_names_check(self->names, sig->name_space, &name, &why);
    if (rc) {
        str_adds(reason, why.msg);
        return err_set(err, rc, "%s", why.msg);
    }
    if (name == OWN_NAME_UNKNOWN)
        log_fields(LOG_LEVEL_WARN,
                   "login through a name that this server does not know: let "
                   "STEADYSTATE_PUBLIC_URL name the server's own, so that others are refused",
                   "login", in->login, "namespace", sig->name_space, NULL);
    return 0;
}

static int check(struct sshkey *self, const char *challenge, const struct auth_poll_in *in,
                 struct str *reason, struct err *err)
{
    cleanup_sshsig struct sshsig sig;
    sshsig_init(&sig); /* parsing is not reached by every way out */
    if (!spec_login_is_valid(in->login))
        return err_set(err, ERR_DENIED, "login has characters that are not allowed");
    int rc = sshsig_parse_armor(in->signature, strlen(in->signature), &sig, err);
    if (!rc && !str_starts_with(sig.name_space, SSHSIG_LOGIN_NAMESPACE))
        rc = err_set(err, ERR_DENIED, "a signature for something else");
    if (!rc)
        rc = sshsig_verify(&sig, sig.name_space, challenge, strlen(challenge), err);
    if (!rc)
        rc = users_check(self->users, in->login, &sig.key, err);
    return rc ? rc : check_name(self, &sig, in, reason, err);
}

static void refuse(const struct auth_poll_in *in, const char *challenge, int64_t tries,
                   struct auth_poll_out *out)
{
    out->status = AUTH_DENIED;
    out->keep = tries > 1;
    out->state = json_object_new_object();
    json_add_str(out->state, "challenge", challenge);
    json_add_i64(out->state, "tries", tries - 1);
    log_fields(LOG_LEVEL_WARN, "sshkey login refused", "login", in->login, NULL);
}

static int poll(struct auth_provider *p, const struct auth_poll_in *in, struct auth_poll_out *out,
                struct err *err)
{
    struct sshkey *self = (struct sshkey *)p;
    const char *challenge = NULL;
    int64_t tries = 0;
    if (json_get_str(in->state, "challenge", AUTH_TEXT_MAX, &challenge, err) ||
        json_get_i64(in->state, "tries", 1, TRIES_MAX, &tries, err))
        return ERR_FAILED;
    if (!in->signature) {
        out->status = AUTH_PENDING;
        return 0;
    }
    if (!in->login)
        return err_set(err, ERR_INVALID, "login: missing beside signature");
    struct err why = ERR_INIT;
    int rc = check(self, challenge, in, &out->wrong_server, &why);
    if (rc == ERR_UNAVAILABLE)
        return err_set(err, rc, "%s", why.msg);
    if (rc) {
        log_debug("sshkey: %s", why.msg);
        refuse(in, challenge, tries, out);
        return 0;
    }
    out->status = AUTH_COMPLETE;
    identity_set(&out->who, NAME, in->login, in->login);
    return 0;
}

static void release(struct auth_provider *p)
{
    struct sshkey *self = (struct sshkey *)p;
    free(self->server_id);
    free(self);
}

static const struct auth_provider_ops ops = {
    .name = NAME, .start = start, .poll = poll, .free = release};

/* What the factory needs until it is used. */
struct registered {
    struct users *users;
    const struct own_names *names;
    char *server_id;
};

static int make(void *payload, struct auth_provider **out, struct err *err)
{
    const struct registered *o = payload;
    struct sshkey *self = xcalloc(1, sizeof *self);
    (void)err;
    self->base.ops = &ops;
    self->users = o->users;
    self->names = o->names;
    self->server_id = xstrdup(o->server_id);
    *out = &self->base;
    return 0;
}

static void free_registered(void *payload)
{
    struct registered *o = payload;
    free(o->server_id);
    free(o);
}

void auth_sshkey_register(struct auth_providers *r, struct users *users,
                          const struct own_names *names, const char *server_id)
{
    struct registered *o = xcalloc(1, sizeof *o);
    o->users = users;
    o->names = names;
    o->server_id = xstrdup(server_id);
    auth_providers_register(r, NAME, make, o, free_registered);
}
