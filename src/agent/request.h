/*
 * Requests of agent.sock and the control channel, as far as they are more than single members.
 * Pure; everything comes from strangers.
 */
#ifndef AGENT_REQUEST_H
#define AGENT_REQUEST_H

#include <stdbool.h>

#include "base/frame.h"
#include "base/json.h"
#include "git/oid.h"

#define REQUEST_VERB_MAX 32
#define REQUEST_FILES_MAX 20000
#define REQUEST_LINES_MAX 4096 /* "10:12,20:22" of one file */
#define REQUEST_PATH_MAX 4095
#define REQUEST_WITH_MAX 256

/* A 'J' frame with a non-zero id: its object (owned by the caller) and verb (borrowed from it). */
int request_parse(const struct frame *frame, struct json_object **obj, const char **verb,
                  struct err *err);

/* login and provider of a request; borrowed. */
int request_person(struct json_object *obj, const char **provider, const char **login,
                   struct err *err);

struct push_request {
    struct oid parent;
    struct oid commit;
    struct json_object *changes;  /* [{file, lines}], made anew */
    struct json_object *overlaps; /* [{file, lines, with, kind}], made anew */
};
void push_request_release(struct push_request *r);
#define cleanup_push_request cleanup(push_request_release)
/* *out is initialised here and empty after a failure. */
int push_request_parse(struct json_object *obj, struct push_request *out, struct err *err);

int request_oid(struct json_object *obj, const char *key, struct oid *out, struct err *err);

#endif
