/*
 * The secrets that the keeper reads itself and gives to agents over the control channel, and to
 * nobody else: forge tokens by host, a deploy key, host keys of ssh forges. Files are read each
 * time they are needed, so that a replaced one counts from the next session on. Calls block.
 */
#ifndef KEEPER_SECRETS_H
#define KEEPER_SECRETS_H

#include "base/err.h"
#include "base/json.h"
#include "base/str.h"
#include "proto/spec.h"

#define SECRETS_FILE_MAX (256 * 1024)
#define SECRETS_USERNAME "oauth2" /* GitLab's convention; GitHub takes any name with a token */

/* Paths, NULL: not configured. Borrowed. */
struct secrets_files {
    const char
        *forge_tokens; /* "host token" a line, "#" comments; refused when others can read it */
    const char *deploy_key;
    const char *known_hosts;
};

/* Arguments of the agent's hello for a session: `token` of the repository's host only (given, from
 * the api process, goes first), `deploy_key` and `known_hosts` for ssh repositories only. A file
 * that cannot be used is an error. *out is owned. */
int secrets_hello(const struct secrets_files *files, const struct session_spec *spec,
                  struct json_object *given, struct json_object **out, struct err *err);

/* The token of a host in the text of a tokens file, appended. Pure. ERR_NOT_FOUND: none;
 * ERR_INVALID names the line. */
int secrets_find_token(const char *text, size_t len, const char *host, struct str *out,
                       struct err *err);

#endif
