/* What the API's files share. Private to src/api. */
#ifndef API_INTERNAL_H
#define API_INTERNAL_H

#include "api/api.h"
#include "api/limits.h"
#include "auth/device.h"
#include "auth/identity.h"
#include "auth/refresh.h"
#include "http/server.h"

enum api_bucket { API_BUCKET_TOKEN, API_BUCKET_AUTH, API_BUCKET_OTHER };

struct api {
    struct api_options options;
    struct http_server *server;
    struct jwt_signer *jwt;
    struct refresh_options refresh;
    struct devices *devices;
    struct limits *limits;
    bool ending; /* the sessions are gone already */
};

/* An answer on its way: which request, of which api. */
struct api_ticket {
    struct api *api;
    http_ticket ticket;
};

/* Defers the request; the ticket is freed by api_ticket_take. */
struct api_ticket *api_defer(struct api *api, struct http_request *req);
/* The request to answer now, NULL when it is gone. Frees t. */
struct http_request *api_ticket_take(struct api_ticket *t);

/* Who the request is from; only on routes with HTTP_LOGIN. Borrowed. */
struct session_caller api_caller(struct http_request *req);

/* An error of the session layer: the engine is what is unavailable. */
void api_reply_session_err(struct http_request *req, const struct err *err);
/* done of the session functions that answer JSON text with 200; payload: struct api_ticket. */
void api_reply_text_later(int code, const char *json, size_t len, const struct err *err,
                          void *payload);

/* Answers a complete login: JWT, refresh token. tokens: what the provider gave, kept; NULL. */
void api_reply_login(struct api *api, struct http_request *req, const struct identity *who,
                     const struct oauth_tokens *tokens);

/* The handlers; payload: struct api. */
void api_health(struct http_request *req, void *payload);
void api_health_checks(struct http_request *req, void *payload);
void api_auth_device(struct http_request *req, void *payload);
void api_auth_poll(struct http_request *req, void *payload);
void api_auth_token(struct http_request *req, void *payload);
void api_auth_refresh(struct http_request *req, void *payload);
void api_auth_revoke(struct http_request *req, void *payload);
void api_auth_me(struct http_request *req, void *payload);
void api_sessions_create(struct http_request *req, void *payload);
void api_sessions_list(struct http_request *req, void *payload);
void api_session_get(struct http_request *req, void *payload);
void api_session_delete(struct http_request *req, void *payload);
void api_session_extend(struct http_request *req, void *payload);
void api_session_members(struct http_request *req, void *payload);
void api_session_refresh(struct http_request *req, void *payload);
void api_session_kick(struct http_request *req, void *payload);
void api_session_role(struct http_request *req, void *payload);
void api_session_approve(struct http_request *req, void *payload);
void api_archives_list(struct http_request *req, void *payload);
void api_archive_get(struct http_request *req, void *payload);

#endif
