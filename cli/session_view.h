/* A session as the CLI reads and shows it: SessionInfo of the server, links, ssh lines. */
#ifndef CLI_SESSION_VIEW_H
#define CLI_SESSION_VIEW_H

#include "backend.h"
#include "base/enc.h"
#include "base/str.h"
#include "ssh/link.h"

/* The operand of a command: an id or a link. Usage errors are reported here: returns -1 with *id
 * filled, or the exit code. */
int session_operand(const char *what, const char *text, char id[SESSION_ID_LEN + 1]);

/* The operand of a command that needs the link, or an id, which the server knows the link of. -1
 * with *link filled, or the exit code after a message. */
int session_link_operand(const char *what, const char *text, struct magic_link *link);

/* GET /sessions/{id}. */
int session_get(struct backend *b, const char *id, struct json_object **info, struct err *err);

/* A member as text, "" when absent. */
const char *session_text(struct json_object *info, const char *key);

/* Writes the session's own known_hosts file (0600) for the link; *path is its name. */
int session_known_hosts(const struct magic_link *link, char **path, struct err *err);
/* Removes what this machine kept for a session: known_hosts, ssh-config's entry. */
void session_forget(const char *id);

/* "ssh -p port user@host" as a person would type it. */
void session_add_ssh_line(struct str *out, const struct magic_link *link);

#endif
