#include "wrapper/seat.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/frame.h"
#include "base/mem.h"
#include "base/path.h"

#define TEXT_MAX 4096
#define ENV_MAX 64

void seat_release(struct seat *s)
{
    char **all[] = {&s->account,        &s->home,        &s->worktree,
                    &s->repo_name,      &s->canonical,   &s->session_id,
                    &s->session_branch, &s->author_name, &s->author_email};
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        free(*all[i]);
        *all[i] = NULL;
    }
    strv_release(&s->env);
}

static int take_texts(struct json_object *reply, struct seat *out, struct err *err)
{
    const struct {
        const char *key;
        char **to;
    } texts[] = {{"account", &out->account},
                 {"home", &out->home},
                 {"worktree", &out->worktree},
                 {"repo_name", &out->repo_name},
                 {"canonical", &out->canonical},
                 {"session_id", &out->session_id},
                 {"session_branch", &out->session_branch},
                 {"author_name", &out->author_name},
                 {"author_email", &out->author_email}};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        const char *text = NULL;
        int rc = json_get_str(reply, texts[i].key, TEXT_MAX, &text, err);
        if (rc < 0)
            return rc;
        *texts[i].to = xstrdup(text);
    }
    return 0;
}

static int take_env(struct json_object *reply, struct strv *out, struct err *err)
{
    struct json_object *env = NULL;
    int rc = json_opt_object(reply, "env", &env, err);
    if (rc < 0 || !env)
        return rc;
    if (json_object_object_length(env) > ENV_MAX)
        return err_set(err, ERR_LIMIT, "too many variables");
    json_object_object_foreach(env, name, value)
    {
        const char *text = NULL;
        (void)value;
        rc = json_get_str(env, name, TEXT_MAX, &text, err);
        if (rc < 0)
            return rc;
        strv_pushf(out, "%s=%s", name, text);
    }
    return 0;
}

int seat_parse(struct json_object *reply, struct seat *out, struct err *err)
{
    int64_t uid = 0, gid = 0;
    *out = (struct seat){.env = STRV_INIT};
    int rc = json_get_i64(reply, "uid", 1, UINT32_MAX - 1, &uid, err);
    if (rc == 0)
        rc = json_get_i64(reply, "gid", 1, UINT32_MAX - 1, &gid, err);
    out->uid = (uid_t)uid;
    out->gid = (gid_t)gid;
    if (rc == 0)
        rc = take_texts(reply, out, err);
    if (rc == 0)
        rc = take_env(reply, &out->env, err);
    if (rc == 0)
        rc = json_opt_bool(reply, "terminal", &out->terminal, err);
    if (rc == 0 && (out->home[0] != '/' || out->worktree[0] != '/'))
        rc = err_set(err, ERR_INVALID, "the home is no absolute path");
    if (rc < 0) {
        seat_release(out);
        return rc == ERR_NOT_FOUND ? ERR_INVALID : rc;
    }
    return 0;
}

static int ask(int fd, uint32_t id, struct json_object *request, struct json_object **reply,
               struct err *err)
{
    uint32_t got = 0;
    int rc = frame_write_json(fd, id, request, err);
    if (rc == 0)
        rc = frame_read_json(fd, &got, reply, err);
    while (rc == 0 && got == 0) { /* what is going on, for the person */
        const char *message = NULL;
        if (json_get_str(*reply, "message", TEXT_MAX, &message, NULL) == 0)
            (void)fprintf(stderr, "%s\r\n", message);
        json_object_put(steal(reply));
        rc = frame_read_json(fd, &got, reply, err);
    }
    if (rc == 0 && got != id)
        rc = err_set(err, ERR_FAILED, "an answer to another question");
    return rc == 0 ? frame_reply_check(*reply, err) : rc;
}

static struct json_object *request(const char *verb, const struct wrapper_args *args)
{
    struct json_object *o = json_object_new_object();
    json_add_str(o, "verb", verb);
    json_add_str(o, "provider", args->provider);
    json_add_str(o, "login", args->login);
    return o;
}

int seat_take(const struct wrapper_args *args, enum wrapper_kind kind, struct seat *out,
              struct err *err)
{
    cleanup_free char *path = path_join(args->root, "agent.sock");
    cleanup_json struct json_object *login = request("login", args);
    cleanup_json struct json_object *attach = request("attach", args);
    cleanup_json struct json_object *place = NULL;
    cleanup_json struct json_object *done = NULL;
    cleanup_close int fd = fd_unix_connect(path, err);
    if (fd < 0)
        return fd;
    /* In a session that is one terminal, to ask for it is what a shell is elsewhere. */
    json_add_str(login, "kind", wrapper_kind_word(kind == WRAPPER_PAIR ? WRAPPER_COMMAND : kind));
    json_add_bool(login, "pair", kind == WRAPPER_PAIR);
    json_add_str(attach, "kind", wrapper_kind_word(kind == WRAPPER_PAIR ? WRAPPER_COMMAND : kind));
    int rc = ask(fd, 1, login, &place, err);
    if (rc == 0)
        rc = ask(fd, 2, attach, &done, err);
    return rc == 0 ? seat_parse(place, out, err) : rc;
}
