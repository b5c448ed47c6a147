/*
 * The engine over its unix socket: Docker-compatible REST v1.41, as Podman 4 and dockerd 20.10
 * speak it, with a small dialect table filled when it is first reached. The engine may be away when
 * this is made and may go and come back at any time.
 */
#ifndef ENGINE_REST_H
#define ENGINE_REST_H

#include "engine/engine.h"

#define ENGINE_ANSWER_MAX (8UL * 1024 * 1024) /* one JSON answer */

struct engine_rest_options {
    const char *socket; /* path of the unix socket */
    int timeout_ms;     /* for one call, 0: 60 s */
};

int engine_rest_new(const struct engine_rest_options *options, struct engine *out, struct err *err);

/* "unix:///path" or an absolute path as a socket path (pointer into url). ERR_UNSUPPORTED: another
 * scheme. */
int engine_socket_of_url(const char *url, const char **path, struct err *err);

/*
 * The engine to use, as an allocated socket path: `configured` when it is given (it need not
 * answer), else the first that answers a ping of $CONTAINER_HOST, $DOCKER_HOST,
 * /run/podman/podman.sock, $XDG_RUNTIME_DIR/podman/podman.sock, /var/run/docker.sock.
 * ERR_NOT_FOUND: none answers; the message names what was tried.
 */
int engine_find(const char *configured, char **socket, struct err *err);

#endif
