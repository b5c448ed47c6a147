#include <string.h>

#include "engine/rest/rest_internal.h"

#define WORD_MAX 256
#define CONTROLLERS_MAX 64

int rest_ping(void *self, struct err *err)
{
    return rest_call(self, &(struct rest_call){.what = "ping", .method = "GET", .path = "/_ping"},
                     NULL, NULL, err);
}

/* A copied member; absent leaves dst empty. */
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

static bool array_has(struct json_object *obj, const char *key, const char *part)
{
    struct json_object *array = NULL;
    if (json_opt_array(obj, key, CONTROLLERS_MAX, &array, NULL) < 0 || !array)
        return false;
    for (size_t i = 0; i < json_object_array_length(array); i++) {
        struct json_object *o = json_object_array_get_idx(array, i);
        if (json_object_is_type(o, json_type_string) && strstr(json_object_get_string(o), part))
            return true;
    }
    return false;
}

static int get_object(struct rest *r, const char *path, struct json_object **out, struct err *err)
{
    int rc = rest_call(
        r, &(struct rest_call){.what = "ask for information", .method = "GET", .path = path}, out,
        NULL, err);
    if (rc == 0 && !json_object_is_type(*out, json_type_object))
        rc = err_set(err, ERR_UNAVAILABLE, "the socket does not answer as a container engine");
    return rc;
}

static int cgroup_version(const char *word)
{
    return strchr(word, '2') ? 2 : strchr(word, '1') ? 1 : 0;
}

static int info_docker(struct rest *r, struct engine_info *out, struct err *err)
{
    cleanup_json struct json_object *obj = NULL;
    char cgroup[8] = "";
    bool memory = false, cpu = false, pids = false;
    int rc = get_object(r, "/info", &obj, err);
    if (rc < 0 ||
        (rc = copy_word(obj, "ServerVersion", out->version, sizeof out->version, err)) < 0 ||
        (rc = copy_word(obj, "DefaultRuntime", out->runtime, sizeof out->runtime, err)) < 0 ||
        (rc = copy_word(obj, "CgroupVersion", cgroup, sizeof cgroup, err)) < 0 ||
        (rc = json_opt_bool(obj, "MemoryLimit", &memory, err)) < 0 ||
        (rc = json_opt_bool(obj, "CpuCfsQuota", &cpu, err)) < 0 ||
        (rc = json_opt_bool(obj, "PidsLimit", &pids, err)) < 0)
        return rc;
    memcpy(out->name, "docker", 7);
    out->cgroup_version = cgroup_version(cgroup);
    out->rootless = array_has(obj, "SecurityOptions", "name=rootless");
    out->userns = out->rootless || array_has(obj, "SecurityOptions", "name=userns");
    out->limits = memory && cpu && pids;
    return 0;
}

/* Also what a container may do by default, which is configurable there. */
static int info_podman(struct rest *r, struct engine_info *out, struct strv *caps, struct err *err)
{
    cleanup_json struct json_object *obj = NULL;
    struct json_object *host = NULL, *security = NULL, *runtime = NULL, *version = NULL;
    const char *names = "";
    char cgroup[8] = "";
    int rc = get_object(r, "/libpod/info", &obj, err);
    if (rc < 0 || (rc = json_opt_object(obj, "host", &host, err)) < 0 ||
        (rc = json_opt_object(obj, "version", &version, err)) < 0)
        return rc;
    if (!host || !version || json_opt_object(host, "security", &security, NULL) < 0 || !security ||
        json_opt_object(host, "ociRuntime", &runtime, NULL) < 0 || !runtime)
        return err_set(err, ERR_UNAVAILABLE, "the engine tells too little about itself");
    if ((rc = copy_word(version, "Version", out->version, sizeof out->version, err)) < 0 ||
        (rc = copy_word(runtime, "name", out->runtime, sizeof out->runtime, err)) < 0 ||
        (rc = copy_word(host, "cgroupVersion", cgroup, sizeof cgroup, err)) < 0 ||
        (rc = json_opt_bool(security, "rootless", &out->rootless, err)) < 0 ||
        (rc = json_opt_str(security, "capabilities", 4096, &names, err)) < 0)
        return rc;
    memcpy(out->name, "podman", 7);
    out->cgroup_version = cgroup_version(cgroup);
    out->userns = out->rootless;
    out->userns_option = !out->rootless;
    out->seccomp_path = true;
    out->limits = array_has(host, "cgroupControllers", "memory") &&
                  array_has(host, "cgroupControllers", "cpu") &&
                  array_has(host, "cgroupControllers", "pids");
    cleanup_strv struct strv words = STRV_INIT;
    strv_split(&words, names, ",");
    for (size_t i = 0; i < words.len; i++)
        strv_push(caps, str_starts_with(words.v[i], "CAP_") ? words.v[i] + 4 : words.v[i]);
    return 0;
}

static void learn(struct rest *r, bool podman, struct strv *caps)
{
    pthread_mutex_lock(&r->lock);
    if (!r->dialect_known) {
        r->dialect = (struct rest_dialect){.podman = podman, .default_caps = *caps};
        *caps = (struct strv)STRV_INIT;
        r->dialect_known = true;
    }
    pthread_mutex_unlock(&r->lock);
}

static bool is_known(struct rest *r)
{
    pthread_mutex_lock(&r->lock);
    bool known = r->dialect_known;
    pthread_mutex_unlock(&r->lock);
    return known;
}

/* Podman or dockerd? Learns all of dockerd's dialect. */
static int which(struct rest *r, bool *podman, struct err *err)
{
    if (is_known(r)) {
        *podman = r->dialect.podman;
        return 0;
    }
    *podman = false;
    struct rest_call call = {.what = "ping", .method = "GET", .path = "/_ping", .libpod = podman};
    int rc = rest_call(r, &call, NULL, NULL, err);
    if (rc < 0 || *podman)
        return rc;
    cleanup_strv struct strv caps = STRV_INIT;
    strv_pushl(&caps, "AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD",
               "NET_BIND_SERVICE", "NET_RAW", "SETFCAP", "SETGID", "SETPCAP", "SETUID",
               "SYS_CHROOT", NULL);
    learn(r, false, &caps);
    return 0;
}

static int ask(struct rest *r, bool podman, struct engine_info *out, struct err *err)
{
    cleanup_strv struct strv caps = STRV_INIT;
    memset(out, 0, sizeof *out);
    int rc = podman ? info_podman(r, out, &caps, err) : info_docker(r, out, err);
    if (rc < 0)
        return rc;
    if (podman)
        learn(r, true, &caps);
    /* Rootless engines on cgroup v1 take limits without a word and ignore them. */
    out->limits = out->limits && !(out->rootless && out->cgroup_version != 2);
    return 0;
}

int rest_info(void *self, struct engine_info *out, struct err *err)
{
    bool podman;
    int rc = which(self, &podman, err);
    return rc < 0 ? rc : ask(self, podman, out, err);
}

int rest_dialect(struct rest *r, const struct rest_dialect **out, struct err *err)
{
    bool podman;
    struct engine_info info;
    *out = &r->dialect;
    int rc = which(r, &podman, err);
    return rc < 0 || is_known(r) ? rc : ask(r, podman, &info, err);
}
