#include <string.h>

#include "engine/rest/rest_internal.h"

#define WORD_MAX 256

int rest_ping(void *self, struct err *err)
{
    return rest_call(self, &(struct rest_call){"ping", "GET", "/_ping", NULL, NULL, 0, 0}, NULL,
                     NULL, err);
}

/* strlcpy with the parser's errors: absent leaves dst empty. */
static int copy_word(struct json_object *obj, const char *key, char *dst, size_t size,
                     struct err *err)
{
    const char *text = "";
    int rc = json_opt_str(obj, key, WORD_MAX, &text, err);
    if (rc < 0)
        return rc;
    size_t n = strnlen(text, size - 1);
    memcpy(dst, text, n);
    dst[n] = '\0';
    return 0;
}

static int get_version(struct rest *r, bool *podman, char *version, size_t size, struct err *err)
{
    cleanup_json struct json_object *obj = NULL;
    int rc = rest_call(
        r, &(struct rest_call){"ask for the version", "GET", "/version", NULL, NULL, 0, 0}, &obj,
        NULL, err);
    if (rc < 0)
        return rc;
    struct json_object *components = NULL;
    const char *name = "";
    if (!json_object_is_type(obj, json_type_object) ||
        json_opt_array(obj, "Components", 64, &components, NULL) < 0)
        return err_set(err, ERR_UNAVAILABLE, "the socket does not answer as a container engine");
    if (components && json_object_array_length(components))
        json_opt_str(json_object_array_get_idx(components, 0), "Name", WORD_MAX, &name, NULL);
    *podman = strstr(name, "Podman") != NULL;
    return copy_word(obj, "Version", version, size, err);
}

/* dockerd has had one list for ten years; Podman has a configurable one and tells it. */
static int get_default_caps(struct rest *r, bool podman, struct strv *caps, struct err *err)
{
    if (!podman) {
        strv_pushl(caps, "AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL",
                   "MKNOD", "NET_BIND_SERVICE", "NET_RAW", "SETFCAP", "SETGID", "SETPCAP", "SETUID",
                   "SYS_CHROOT", NULL);
        return 0;
    }
    cleanup_json struct json_object *obj = NULL;
    int rc = rest_call(
        r, &(struct rest_call){"ask for information", "GET", "/libpod/info", NULL, NULL, 0, 0},
        &obj, NULL, err);
    if (rc < 0)
        return rc;
    struct json_object *host = NULL, *security = NULL;
    const char *text = "";
    if (!json_object_is_type(obj, json_type_object) ||
        json_opt_object(obj, "host", &host, NULL) < 0 || !host ||
        json_opt_object(host, "security", &security, NULL) < 0 || !security ||
        json_opt_str(security, "capabilities", 4096, &text, NULL) < 0)
        return err_set(err, ERR_UNAVAILABLE, "the engine does not tell its capabilities");
    cleanup_strv struct strv words = STRV_INIT;
    strv_split(&words, text, ",");
    for (size_t i = 0; i < words.len; i++)
        strv_push(caps, str_starts_with(words.v[i], "CAP_") ? words.v[i] + 4 : words.v[i]);
    return 0;
}

int rest_dialect(struct rest *r, const struct rest_dialect **out, struct err *err)
{
    pthread_mutex_lock(&r->lock);
    bool known = r->dialect_known;
    pthread_mutex_unlock(&r->lock);
    *out = &r->dialect;
    if (known)
        return 0;
    char version[64];
    struct rest_dialect d = {0};
    int rc = get_version(r, &d.podman, version, sizeof version, err);
    if (rc == 0)
        rc = get_default_caps(r, d.podman, &d.default_caps, err);
    pthread_mutex_lock(&r->lock);
    if (rc == 0 && !r->dialect_known) {
        r->dialect = d;
        d.default_caps = (struct strv)STRV_INIT;
        r->dialect_known = true;
    }
    pthread_mutex_unlock(&r->lock);
    strv_release(&d.default_caps);
    return rc;
}

static bool has_security_option(struct json_object *info, const char *name)
{
    struct json_object *options = NULL;
    if (json_opt_array(info, "SecurityOptions", 64, &options, NULL) < 0 || !options)
        return false;
    for (size_t i = 0; i < json_object_array_length(options); i++) {
        struct json_object *o = json_object_array_get_idx(options, i);
        if (json_object_is_type(o, json_type_string) &&
            strstr(json_object_get_string(o), name) != NULL)
            return true;
    }
    return false;
}

/* Memory, CPU and process limits, each said to work. */
static bool has_limits(struct json_object *info)
{
    bool memory = false, cpu = false, pids = false;
    json_opt_bool(info, "MemoryLimit", &memory, NULL);
    json_opt_bool(info, "CpuCfsQuota", &cpu, NULL);
    json_opt_bool(info, "PidsLimit", &pids, NULL);
    return memory && cpu && pids;
}

int rest_info(void *self, struct engine_info *out, struct err *err)
{
    struct rest *r = self;
    const struct rest_dialect *d;
    int rc = rest_dialect(r, &d, err);
    if (rc < 0)
        return rc;
    cleanup_json struct json_object *obj = NULL;
    rc = rest_call(r, &(struct rest_call){"ask for information", "GET", "/info", NULL, NULL, 0, 0},
                   &obj, NULL, err);
    if (rc < 0)
        return rc;
    if (!json_object_is_type(obj, json_type_object))
        return err_set(err, ERR_UNAVAILABLE, "the engine's information is no object");
    memset(out, 0, sizeof *out);
    memcpy(out->name, d->podman ? "podman" : "docker", 7);
    char cgroup[8] = "";
    if ((rc = copy_word(obj, "ServerVersion", out->version, sizeof out->version, err)) < 0 ||
        (rc = copy_word(obj, "DefaultRuntime", out->runtime, sizeof out->runtime, err)) < 0 ||
        (rc = copy_word(obj, "CgroupVersion", cgroup, sizeof cgroup, err)) < 0 ||
        (rc = json_opt_bool(obj, "Rootless", &out->rootless, err)) < 0)
        return rc;
    out->cgroup_version = cgroup[0] == '2' ? 2 : cgroup[0] == '1' ? 1 : 0;
    out->rootless = out->rootless || has_security_option(obj, "name=rootless");
    out->userns = out->rootless || has_security_option(obj, "name=userns");
    out->userns_option = d->podman && !out->rootless;
    /* Rootless engines on cgroup v1 take limits without a word and ignore them. */
    out->limits = has_limits(obj) && !(out->rootless && out->cgroup_version != 2);
    out->seccomp_path = d->podman;
    return 0;
}
