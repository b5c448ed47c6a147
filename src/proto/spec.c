#include "proto/spec.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "base/net.h"
#include "base/num.h"
#include "base/path.h"
#include "base/url.h"

#define SPEC_TEXT_MAX 4096

void session_spec_init(struct session_spec *spec)
{
    memset(spec, 0, sizeof *spec);
}

void spec_user_release(struct spec_user *user)
{
    free(user->login);
    free(user->provider);
    free(user->email);
    strv_release(&user->keys);
    memset(user, 0, sizeof *user);
}

void spec_users_free(struct spec_user *users, size_t n)
{
    for (size_t i = 0; i < n; i++)
        spec_user_release(&users[i]);
    free(users);
}

/* The members that are plain text, in one place for release, encoding and decoding. */
struct text_member {
    const char *key;
    size_t offset;
    size_t max;
    bool optional;
};

#define TEXT(name, max, optional)                                 \
    {                                                             \
#name, offsetof(struct session_spec, name), max, optional \
    }

static const struct text_member text_members[] = {
    TEXT(server_id, 64, false),
    TEXT(mode, 16, false),
    TEXT(environment, 64, false),
    TEXT(repo_url, URL_MAX, false),
    TEXT(repo_name, 255, false),
    TEXT(branch, SPEC_BRANCH_MAX, true),
    TEXT(session_branch, SPEC_BRANCH_MAX, false),
    TEXT(creator_login, SPEC_LOGIN_MAX, false),
    TEXT(creator_provider, SPEC_PROVIDER_MAX, false),
    TEXT(ssh_user, 64, false),
    TEXT(ssh_host, URL_HOST_MAX, false),
    TEXT(ssh_bind, NET_ADDR_TEXT, false),
    TEXT(host_key, 4096, true),
    TEXT(host_key_public, SPEC_KEY_LINE_MAX, false),
    TEXT(magic_link, SPEC_TEXT_MAX, false),
    TEXT(image, 512, true),
    TEXT(subnet, NET_ADDR_TEXT, true),
};

static char **text_at(const struct session_spec *spec, const struct text_member *m)
{
    return (char **)(void *)((char *)(uintptr_t)spec + m->offset);
}

void session_spec_release(struct session_spec *spec)
{
    mem_wipe(spec->host_key, spec->host_key ? strlen(spec->host_key) : 0);
    for (size_t i = 0; i < ARRAY_LEN(text_members); i++)
        free(*text_at(spec, &text_members[i]));
    spec_users_free(spec->users, spec->n_users);
    strv_release(&spec->allowed_hosts);
    session_spec_init(spec);
}

struct spec_user *session_spec_add_user(struct session_spec *spec, const char *login,
                                        const char *provider)
{
    spec->users = xreallocarray(spec->users, spec->n_users + 1, sizeof *spec->users);
    struct spec_user *user = &spec->users[spec->n_users++];
    memset(user, 0, sizeof *user);
    user->login = xstrdup(login);
    user->provider = xstrdup(provider);
    return user;
}

bool spec_login_is_valid(const char *login)
{
    size_t n = strlen(login);
    return n >= 1 && n <= SPEC_LOGIN_MAX && login[0] != '-' && login[0] != '.' &&
           strspn(login, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-@+") ==
               n;
}

bool spec_provider_is_valid(const char *provider)
{
    size_t n = strlen(provider);
    return n >= 1 && n <= SPEC_PROVIDER_MAX &&
           strspn(provider, "abcdefghijklmnopqrstuvwxyz0123456789-") == n;
}

/* git-check-ref-format(1) */
bool spec_branch_is_valid(const char *branch)
{
    size_t n = strlen(branch);
    if (n < 1 || n > SPEC_BRANCH_MAX || branch[0] == '-' || !path_is_clean_rel(branch) ||
        strcmp(branch, "HEAD") == 0 || strcmp(branch, "@") == 0 || branch[n - 1] == '.' ||
        strstr(branch, "..") || strstr(branch, "@{") || strpbrk(branch, " ~^:?*[\\\x7f"))
        return false;
    for (const char *p = branch; *p; p++)
        if ((unsigned char)*p < 0x20 || (*p == '.' && (p == branch || p[-1] == '/')))
            return false;
    for (const char *p = branch; (p = strstr(p, ".lock")); p += 5)
        if (p[5] == '/' || !p[5])
            return false;
    return str_is_utf8(branch, n);
}

static bool key_is_plain(const char *key)
{
    size_t n = strlen(key);
    const char *space = strchr(key, ' ');
    if (n > SPEC_KEY_LINE_MAX || !space || space == key || strchr(space + 1, ' '))
        return false;
    for (const char *p = key; *p; p++)
        if ((unsigned char)*p < 0x20 || *p == '"' || *p == '\\' || (unsigned char)*p > 0x7e)
            return false;
    return true;
}

static int check_user(const struct spec_user *user, struct err *err)
{
    if (!spec_login_is_valid(user->login))
        return err_set(err, ERR_INVALID, "'login' of a user is not usable");
    if (!spec_provider_is_valid(user->provider))
        return err_set(err, ERR_INVALID, "'provider' of a user is not usable");
    if (user->keys.len > SPEC_KEYS_MAX)
        return err_set(err, ERR_INVALID, "more than %d keys for %s", SPEC_KEYS_MAX, user->login);
    if (user->email && (strlen(user->email) > 254 || strpbrk(user->email, "<>\n\r\t ")))
        return err_set(err, ERR_INVALID, "'email' of %s is not usable", user->login);
    for (size_t i = 0; i < user->keys.len; i++)
        if (!key_is_plain(user->keys.v[i]))
            return err_set(err, ERR_INVALID, "a key of %s is not plain", user->login);
    return 0;
}

static int check_repo(const struct session_spec *spec, struct err *err)
{
    cleanup_repo_url struct repo_url repo = {0};
    int rc = repo_url_parse(spec->repo_url, strlen(spec->repo_url), &repo, err);
    if (rc)
        return err_wrap(err, "'repo_url'");
    if (strcmp(repo.name, spec->repo_name) != 0)
        return err_set(err, ERR_INVALID, "'repo_name' does not belong to 'repo_url'");
    if (repo.kind == REPO_FILE && !spec->allow_local_repos)
        return err_set(err, ERR_DENIED, "local repositories are not allowed");
    return 0;
}

static int check_numbers(const struct session_spec *spec, struct err *err)
{
    if (spec->ssh_port < 1 || spec->ssh_port > 65535)
        return err_set(err, ERR_INVALID, "'ssh_port' is out of range");
    if (spec->cpus_milli < 0 || spec->cpus_milli > 1024000 || spec->pids < 0 ||
        spec->pids > 4194304)
        return err_set(err, ERR_INVALID, "a limit is out of range");
    return 0;
}

int session_spec_check(const struct session_spec *spec, struct err *err)
{
    if (!session_id_is_valid(spec->id))
        return err_set(err, ERR_INVALID, "'id' is not a session id");
    for (size_t i = 0; i < ARRAY_LEN(text_members); i++) {
        const struct text_member *m = &text_members[i];
        const char *value = *text_at(spec, m);
        if (!value && !m->optional)
            return err_set(err, ERR_INVALID, "'%s' is missing", m->key);
        if (value && strlen(value) > m->max)
            return err_set(err, ERR_INVALID, "'%s' is too long", m->key);
    }
    if (strcmp(spec->mode, "collab") != 0 && strcmp(spec->mode, "pair") != 0)
        return err_set(err, ERR_INVALID, "'mode' is neither collab nor pair");
    if (!spec_branch_is_valid(spec->session_branch) ||
        (spec->branch && !spec_branch_is_valid(spec->branch)))
        return err_set(err, ERR_INVALID, "not a branch name");
    if (!spec_login_is_valid(spec->ssh_user))
        return err_set(err, ERR_INVALID, "'ssh_user' is not usable");
    int rc = check_repo(spec, err);
    if (rc || (rc = check_numbers(spec, err)))
        return rc;
    if (spec->n_users > SPEC_USERS_MAX || spec->allowed_hosts.len > SPEC_HOSTS_MAX)
        return err_set(err, ERR_INVALID, "too many users or hosts");
    for (size_t i = 0; i < spec->allowed_hosts.len; i++)
        if ((rc = net_allow_check_entry(spec->allowed_hosts.v[i], err)))
            return rc;
    for (size_t i = 0; i < spec->n_users; i++)
        if ((rc = check_user(&spec->users[i], err)))
            return rc;
    return 0;
}

static struct json_object *strv_to_json(const struct strv *v)
{
    struct json_object *array = json_object_new_array();
    for (size_t i = 0; i < v->len; i++)
        json_object_array_add(array, json_object_new_string(v->v[i]));
    return array;
}

static int strv_from_json(struct json_object *obj, const char *key, size_t max_len,
                          struct strv *out, struct err *err)
{
    struct json_object *array;
    int rc = json_opt_array(obj, key, max_len, &array, err);
    for (size_t i = 0; rc == 0 && array && i < json_object_array_length(array); i++) {
        struct json_object *item = json_object_array_get_idx(array, i);
        if (!json_object_is_type(item, json_type_string) ||
            strlen(json_object_get_string(item)) != (size_t)json_object_get_string_len(item))
            return err_set(err, ERR_INVALID, "'%s' must hold strings", key);
        strv_push(out, json_object_get_string(item));
    }
    return rc;
}

struct json_object *spec_users_to_json(const struct spec_user *users, size_t n)
{
    struct json_object *array = json_object_new_array();
    for (size_t i = 0; i < n; i++) {
        struct json_object *user = json_object_new_object();
        json_add_str(user, "login", users[i].login);
        json_add_str(user, "provider", users[i].provider);
        json_add_str(user, "email", users[i].email);
        json_add(user, "keys", strv_to_json(&users[i].keys));
        json_object_array_add(array, user);
    }
    return array;
}

static int user_from_json(struct json_object *obj, struct spec_user *user, struct err *err)
{
    const char *login = NULL, *provider = NULL, *email = NULL;
    int rc;
    if ((rc = json_get_str(obj, "login", SPEC_LOGIN_MAX, &login, err)) ||
        (rc = json_get_str(obj, "provider", SPEC_PROVIDER_MAX, &provider, err)) ||
        (rc = json_opt_str(obj, "email", 254, &email, err)) ||
        (rc = strv_from_json(obj, "keys", SPEC_KEYS_MAX, &user->keys, err)))
        return rc;
    user->login = xstrdup(login);
    user->provider = xstrdup(provider);
    user->email = email ? xstrdup(email) : NULL;
    return check_user(user, err);
}

int spec_users_from_json(struct json_object *array, struct spec_user **users, size_t *n,
                         struct err *err)
{
    *users = NULL;
    *n = 0;
    if (!json_object_is_type(array, json_type_array) ||
        json_object_array_length(array) > SPEC_USERS_MAX)
        return err_set(err, ERR_INVALID, "'users' must be an array of at most %d", SPEC_USERS_MAX);
    size_t len = json_object_array_length(array);
    struct spec_user *list = xcalloc(len, sizeof *list);
    for (size_t i = 0; i < len; i++) {
        int rc = user_from_json(json_object_array_get_idx(array, i), &list[i], err);
        if (rc) {
            spec_users_free(list, i + 1);
            return rc == ERR_NOT_FOUND ? ERR_INVALID : rc;
        }
    }
    *users = list;
    *n = len;
    return 0;
}

struct json_object *session_spec_to_json(const struct session_spec *spec, bool with_host_key)
{
    struct json_object *obj = json_object_new_object();
    json_add_str(obj, "id", spec->id);
    for (size_t i = 0; i < ARRAY_LEN(text_members); i++)
        if (with_host_key || strcmp(text_members[i].key, "host_key") != 0)
            json_add_str(obj, text_members[i].key, *text_at(spec, &text_members[i]));
    json_add(obj, "users", spec_users_to_json(spec->users, spec->n_users));
    json_add_i64(obj, "ssh_port", spec->ssh_port);
    json_add_i64(obj, "memory", (int64_t)spec->memory);
    json_add_i64(obj, "cpus_milli", spec->cpus_milli);
    json_add_i64(obj, "pids", spec->pids);
    json_add_i64(obj, "disk", (int64_t)spec->disk);
    json_add_i64(obj, "uid_base", spec->uid_base);
    json_add_bool(obj, "require_userns", spec->require_userns);
    json_add(obj, "allowed_hosts", strv_to_json(&spec->allowed_hosts));
    json_add_bool(obj, "allow_local_repos", spec->allow_local_repos);
    json_add_i64(obj, "created_at", spec->created_at);
    /* Absent unless set: the hash of sessions that were made before it stays what it was. */
    if (spec->approve)
        json_add_bool(obj, "approve", true);
    return obj;
}

static int numbers_from_json(struct json_object *obj, struct session_spec *spec, struct err *err)
{
    int64_t port = 0, memory = 0, cpus = 0, pids = 0, disk = 0, uid_base = 0;
    int rc;
    if ((rc = json_get_i64(obj, "ssh_port", 1, 65535, &port, err)) ||
        (rc = json_opt_i64(obj, "memory", 0, INT64_MAX, &memory, err)) ||
        (rc = json_opt_i64(obj, "cpus_milli", 0, 1024000, &cpus, err)) ||
        (rc = json_opt_i64(obj, "pids", 0, 4194304, &pids, err)) ||
        (rc = json_opt_i64(obj, "disk", 0, INT64_MAX, &disk, err)) ||
        (rc = json_opt_i64(obj, "uid_base", 0, UINT32_MAX - SPEC_UID_RANGE, &uid_base, err)) ||
        (rc = json_opt_bool(obj, "require_userns", &spec->require_userns, err)) ||
        (rc = json_opt_bool(obj, "allow_local_repos", &spec->allow_local_repos, err)) ||
        (rc = json_opt_bool(obj, "approve", &spec->approve, err)) ||
        (rc = json_get_i64(obj, "created_at", 0, INT64_MAX, &spec->created_at, err)))
        return rc;
    spec->ssh_port = (int)port;
    spec->memory = (uint64_t)memory;
    spec->cpus_milli = (int)cpus;
    spec->pids = (int)pids;
    spec->disk = (uint64_t)disk;
    spec->uid_base = (uint32_t)uid_base;
    return 0;
}

static int members_from_json(struct json_object *obj, struct session_spec *spec, struct err *err)
{
    const char *id = NULL;
    int rc = json_get_str(obj, "id", SESSION_ID_LEN, &id, err);
    if (rc)
        return rc;
    memcpy(spec->id, id, strlen(id) + 1);
    for (size_t i = 0; i < ARRAY_LEN(text_members); i++) {
        const struct text_member *m = &text_members[i];
        const char *value = NULL;
        if ((rc = json_opt_str(obj, m->key, m->max, &value, err)))
            return rc;
        *text_at(spec, m) = value ? xstrdup(value) : NULL;
    }
    if ((rc = numbers_from_json(obj, spec, err)) ||
        (rc = strv_from_json(obj, "allowed_hosts", SPEC_HOSTS_MAX, &spec->allowed_hosts, err)))
        return rc;
    struct json_object *users = NULL;
    rc = json_opt_array(obj, "users", SPEC_USERS_MAX, &users, err);
    if (rc == 0 && users)
        rc = spec_users_from_json(users, &spec->users, &spec->n_users, err);
    return rc ? rc : session_spec_check(spec, err);
}

int session_spec_from_json(struct json_object *obj, struct session_spec *spec, struct err *err)
{
    session_spec_init(spec);
    int rc = members_from_json(obj, spec, err);
    if (rc) {
        session_spec_release(spec);
        return rc == ERR_NOT_FOUND ? ERR_INVALID : rc;
    }
    return 0;
}

void session_spec_hash(const struct session_spec *spec, char out[65])
{
    cleanup_json struct json_object *obj = session_spec_to_json(spec, false);
    cleanup_str struct str text = STR_INIT;
    cleanup_str struct str hex = STR_INIT;
    unsigned char digest[32];
    /* Who may come in changes while the container runs. */
    json_object_object_del(obj, "users");
    json_print(obj, &text);
    int ok = EVP_Digest(text.p, text.len, digest, NULL, EVP_sha256(), NULL);
    BUG_ON(ok != 1);
    enc_hex(&hex, digest, sizeof digest);
    memcpy(out, hex.p, 65);
}
