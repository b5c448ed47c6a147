#include <stdlib.h>
#include <string.h>

#include "engine/rest.h"

#define FIND_TIMEOUT_MS 3000

int engine_socket_of_url(const char *url, const char **path, struct err *err)
{
    const char *p = url;
    if (str_starts_with(p, "unix://"))
        p += strlen("unix://");
    if (*p != '/')
        return err_set(err, ERR_UNSUPPORTED,
                       "not a container engine's socket (unix:///path): %.200s", url);
    *path = p;
    return 0;
}

/* Does an engine answer there? */
static bool answers(const char *socket)
{
    struct engine engine = {0};
    if (engine_rest_new(
            &(struct engine_rest_options){.socket = socket, .timeout_ms = FIND_TIMEOUT_MS}, &engine,
            NULL) < 0)
        return false;
    int rc = engine.ops->ping(engine.self, NULL);
    engine_free(&engine);
    return rc == 0;
}

int engine_find(const char *configured, char **socket, struct err *err)
{
    const char *path = "";
    if (configured) {
        int rc = engine_socket_of_url(configured, &path, err);
        if (rc == 0)
            *socket = xstrdup(path);
        return rc;
    }
    cleanup_strv struct strv candidates = STRV_INIT;
    const char *runtime = getenv("XDG_RUNTIME_DIR");
    if (getenv("CONTAINER_HOST"))
        strv_push(&candidates, getenv("CONTAINER_HOST"));
    if (getenv("DOCKER_HOST"))
        strv_push(&candidates, getenv("DOCKER_HOST"));
    strv_push(&candidates, "/run/podman/podman.sock");
    if (runtime && runtime[0] == '/')
        strv_pushf(&candidates, "%s/podman/podman.sock", runtime);
    strv_push(&candidates, "/var/run/docker.sock");
    cleanup_str struct str tried = STR_INIT;
    for (size_t i = 0; i < candidates.len; i++) {
        if (engine_socket_of_url(candidates.v[i], &path, NULL) == 0 && answers(path)) {
            *socket = xstrdup(path);
            return 0;
        }
        str_addf(&tried, "%s%s", i ? ", " : "", candidates.v[i]);
    }
    return err_set(err, ERR_NOT_FOUND, "no container engine answers (tried %s)", tried.p);
}
