/* A spec that passes every check, for the tests of this folder. */
#ifndef TESTS_KEEPER_SPEC_H
#define TESTS_KEEPER_SPEC_H

#include <string.h>

#include "base/mem.h"
#include "proto/spec.h"

static __attribute__((unused)) void make_spec(struct session_spec *spec, const char *id)
{
    session_spec_init(spec);
    memcpy(spec->id, id, SESSION_ID_LEN + 1);
    spec->server_id = xstrdup("server");
    spec->mode = xstrdup("collab");
    spec->environment = xstrdup("noenv");
    spec->repo_url = xstrdup("https://forge.example/team/app.git");
    spec->repo_name = xstrdup("app");
    spec->session_branch = xasprintf("steadystate/collab/%s", id);
    spec->creator_login = xstrdup("ann");
    spec->creator_provider = xstrdup("sshkey");
    spec->ssh_user = xstrdup("steadystate");
    spec->ssh_host = xstrdup("host.example");
    spec->ssh_bind = xstrdup("127.0.0.1");
    spec->ssh_port = 20000;
    spec->host_key = xstrdup("private");
    spec->host_key_public = xstrdup("ssh-ed25519 AAAA");
    spec->magic_link = xstrdup("steadystate://collab/x");
    spec->created_at = 1;
    session_spec_add_user(spec, "ann", "sshkey");
}

static __attribute__((unused)) struct json_object *spec_json(const char *id)
{
    struct session_spec spec;
    make_spec(&spec, id);
    struct json_object *obj = session_spec_to_json(&spec, true);
    session_spec_release(&spec);
    return obj;
}

#define ID_A "aaaaaaaaaaaaaaaaaaaa"
#define ID_B "bbbbbbbbbbbbbbbbbbbb"

#endif
