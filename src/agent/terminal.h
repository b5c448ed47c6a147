/*
 * The session's shared terminal: one tmux server, run by an account of its own ("pair") in a
 * worktree of its own, started by the first who attaches. Every person has a tmux client of their
 * own on a pseudo-terminal that the agent holds: what they type goes through the agent, which
 * passes it on only for those who may type. Nobody but that account can reach tmux's socket.
 *
 * In a session of mode "pair" everybody who comes in by ssh gets it; in mode "collab" it is what
 * `steadystate pair` opens.
 */
#ifndef AGENT_TERMINAL_H
#define AGENT_TERMINAL_H

#include "agent/agent.h"
#include "agent/roles.h"

/* Who the terminal's own account belongs to, in accounts.json and in the session's environment. No
 * login provider has that name. */
#define TERMINAL_PROVIDER "steadystate"
#define TERMINAL_LOGIN "pair"

#define TERMINAL_CLIENTS_MAX 256
#define TERMINAL_PASTE_MAX (4 * 1024 * 1024) /* typed and not yet read by the terminal */
#define TERMINAL_SIDE_MAX 2000               /* columns or rows */
#define TERMINAL_NAME_MAX 63                 /* of TERM */

struct terminal;
struct terminal_client;

/* Reads roles.json. The rest is made when it is needed. ERR_UNSUPPORTED: mode is pair and there is
 * no tmux on this machine. */
int terminal_new(struct agent *a, struct terminal **out, struct err *err);
void terminal_free(struct terminal *t);

bool terminal_is_pair_mode(const struct agent *a);
bool terminal_is_account(const struct account *account);
/* The account and its home, made when they are not there. */
int terminal_account(struct terminal *t, const struct account **out, struct err *err);
/* Variables for git in the terminal's worktree: author, hooks. */
void terminal_git_env(const struct terminal *t, struct json_object *env);

/* --- clients (terminal.c) ------------------------------------------------------------------------
 */

struct terminal_request {
    const char *provider; /* borrowed */
    const char *login;
    const char *term; /* TERM */
    int rows, columns;
    bool read_only; /* watches until the owner gives them the keyboard */
    pid_t pid;      /* the process at the other end */
};

/* Reads the request's members. */
int terminal_request_parse(struct json_object *obj, struct terminal_request *out, struct err *err);
/* What the terminal shows goes to conn as data frames with that id; when it is over, a last frame
 * {"ok":true,"ended":true} and the connection ends. The caller ends the client when conn ends. */
int terminal_attach(struct terminal *t, struct conn *conn, uint32_t id,
                    const struct terminal_request *request, struct terminal_client **out,
                    struct err *err);
uint32_t terminal_client_frame(const struct terminal_client *client);
void terminal_input(struct terminal_client *client, const void *p, size_t n);
int terminal_resize(struct terminal_client *client, struct json_object *obj, struct err *err);
/* The connection takes more again. */
void terminal_drained(struct terminal_client *client);
/* NULL allowed. */
void terminal_client_free(struct terminal_client *client);

/* --- people (terminal_people.c) ------------------------------------------------------------------
 */

/* May this person use the session now, or wait for the creator? */
bool terminal_must_wait(const struct terminal *t, const char *provider, const char *login);
/* Says in the log and on the owner's screen that somebody waits. */
void terminal_waits(struct terminal *t, const char *provider, const char *login);
void terminal_waits_no_more(struct terminal *t, const char *provider, const char *login);
/* May they act as the terminal's account? ERR_DENIED: they watch. */
int terminal_may_type(const struct terminal *t, const char *provider, const char *login,
                      struct err *err);

/* May their connection reach programs of the session? Not in mode pair while they wait or watch. */
bool terminal_may_forward(const struct terminal *t, const char *provider, const char *login);

/* Who asks for a change: a person with provider and login, or from_terminal: somebody in the shared
 * terminal, or trusted: the server for the creator. */
struct terminal_asker {
    const char *provider;
    const char *login;
    bool from_terminal;
    bool trusted;
};
/* word: watch, type, own, or approve. provider NULL: whoever has that login. ERR_DENIED: the asker
 * is not the owner nor the creator; ERR_NOT_FOUND: there is nobody of that name. */
int terminal_role(struct terminal *t, const struct terminal_asker *asker, const char *provider,
                  const char *login, const char *word, struct err *err);
/* Adds what members says of somebody: role (typing, watching) while they are at the terminal,
 * keyboard (watch, type, own) in mode pair, waiting. */
void terminal_describe(const struct terminal *t, const char *provider, const char *login,
                       struct json_object *out);
/* Kicked: ends their clients and what they started as the terminal's account. */
void terminal_put_out(struct terminal *t, const char *provider, const char *login);

/* The person that what the terminal's account does is written to: who pressed return last. */
void terminal_speaker(const struct terminal *t, const char **provider, const char **login);
/* ["Name <address>"] of those who typed since the last commit, but for the one whose address
 * `except` is (NULL: nobody). *clock: for terminal_settle. */
struct json_object *terminal_coauthors(struct terminal *t, const char *except, uint64_t *clock);
void terminal_settle(struct terminal *t, uint64_t clock);

#endif
