"""Django's settings. Nothing here reads the environment: `controlplane.environment` does."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from csp.constants import SELF, UNSAFE_EVAL, UNSAFE_INLINE

from controlplane import environment, keyring
from controlplane.addresses import Timeouts, celery_url, database_settings
from controlplane.logging import options as log_options
from controlplane.schedule import SCHEDULE

ENVIRONMENT = environment.read()
KEYRING = keyring.load(ENVIRONMENT)
BASE_DIR = Path(__file__).resolve().parent.parent
HOME = ENVIRONMENT.home

# Ours: what other modules read by these names.
KEY_PEPPERS = KEYRING.key_peppers
ENCRYPTION_KEYS = KEYRING.encryption_keys
REDIS_URL = ENVIRONMENT.broker_url
PUBLIC_URL = ENVIRONMENT.console_url
LANE_URL = ENVIRONMENT.lane_address
LANE_WAITERS = ENVIRONMENT.lane_waiters
LANE_WAITERS_EACH = ENVIRONMENT.lane_waiters_each
CONSOLE_LABEL = ENVIRONMENT.label
CALLBACK_HOSTS = ENVIRONMENT.callback_hosts
METRICS_TOKEN = ENVIRONMENT.metrics_bearer
TRUSTED_PROXIES = ENVIRONMENT.trusted_proxies
CALLS_PER_SECOND = ENVIRONMENT.calls_per_second
REFUSED_PER_SECOND = ENVIRONMENT.refused_per_second
REQUIRE_MFA = ENVIRONMENT.require_mfa
PASSWORD_LOGIN = ENVIRONMENT.password_login
OIDC_ISSUER = ENVIRONMENT.oidc_issuer
OIDC_ROLES = ENVIRONMENT.oidc_roles
OIDC_TEAMS = ENVIRONMENT.oidc_teams

SECRET_KEY = KEYRING.secret_key
DEBUG = ENVIRONMENT.debug
DEFAULT_EXCEPTION_REPORTER = "controlplane.debugging.Reporter"
DEFAULT_EXCEPTION_REPORTER_FILTER = "controlplane.debugging.Filter"
_PUBLIC_HOST = urlsplit(PUBLIC_URL).hostname or ""
ALLOWED_HOSTS = [*(ENVIRONMENT.allowed_hosts or ("127.0.0.1", "localhost", "[::1]")), _PUBLIC_HOST]
CSRF_TRUSTED_ORIGINS = [PUBLIC_URL]

INSTALLED_APPS = [
    "unfold",
    "unfold.contrib.filters",
    "unfold.contrib.forms",
    "unfold.contrib.guardian",
    "unfold.contrib.simple_history",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_filters",
    "guardian",
    "simple_history",
    "django_structlog",
    "csp",
    "allauth",
    "allauth.account",
    "allauth.socialaccount",
    "allauth.socialaccount.providers.openid_connect",
    "allauth.mfa",
    "allauth.usersessions",
    "axes",
    "audit",
    "registry",
    "runs",
    "policies",
    "approvals",
    "costs",
    "controlplane.protocols.aap",
    "controlplane.delivery.apps.DeliveryConfig",
    "controlplane.apps.ControlplaneConfig",
]

MIDDLEWARE = [
    "controlplane.middleware.TrustedProxies",
    "controlplane.middleware.RequestContext",
    "controlplane.operating.metrics.middleware.CountedRequests",
    "controlplane.protocols.aap.errors.AapErrors",
    "controlplane.api.problems.ApiProblems",
    "django.middleware.security.SecurityMiddleware",
    "controlplane.api.direct.StraightToAgents",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "controlplane.console.clocks.PersonalClock",
    "django.contrib.messages.middleware.MessageMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "controlplane.accounts.obligations.Obligations",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "csp.middleware.CSPMiddleware",
    "simple_history.middleware.HistoryRequestMiddleware",
    "axes.middleware.AxesMiddleware",
]

ROOT_URLCONF = "controlplane.urls"
WSGI_APPLICATION = "controlplane.wsgi.application"
TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        # Before the apps' own: some of unfold's frame is replaced.
        "DIRS": [BASE_DIR / "controlplane" / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "libraries": {"console": "controlplane.console.tags"},
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

DATABASES = {
    "default": database_settings(
        ENVIRONMENT.database_address, Timeouts(ENVIRONMENT.statement_timeout, ENVIRONMENT.lock_timeout)
    ),
}
DECIDING_THREADS = ENVIRONMENT.deciding_threads or (1 if DATABASES["default"]["ENGINE"].endswith("sqlite3") else 3)
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

AUTH_USER_MODEL = "registry.User"
AUTHENTICATION_BACKENDS = [
    "controlplane.accounts.lockouts.Backend",
    "django.contrib.auth.backends.ModelBackend",
    "guardian.backends.ObjectPermissionBackend",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "admin:index"
# Rights on objects are given to people and groups; nobody anonymous has any.
ANONYMOUS_USER_NAME = None
GUARDIAN_RAISE_403 = False

# Nobody signs up, nothing is sent by mail; our adapters record what happens.
ACCOUNT_ADAPTER = "controlplane.accounts.adapters.AccountAdapter"
ACCOUNT_LOGIN_METHODS = {"username"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "password1*"]
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_LOGOUT_REDIRECT_URL = "account_login"
ACCOUNT_SESSION_REMEMBER = True
# The lock-out counts in the database, for all processes together.
ACCOUNT_RATE_LIMITS = False
MFA_RATE_LIMITS = False
MFA_ADAPTER = "controlplane.accounts.adapters.FactorAdapter"
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_RECOVERY_CODES_SHOW_ONCE = True
SOCIALACCOUNT_ADAPTER = "controlplane.accounts.oidc.ProviderAdapter"
SOCIALACCOUNT_PROVIDERS: dict[str, Any] = {
    "openid_connect": {
        "OAUTH_PKCE_ENABLED": True,
        "APPS": [
            {
                "provider_id": "sso",
                "name": ENVIRONMENT.oidc_name,
                "client_id": ENVIRONMENT.oidc_client_id,
                "secret": ENVIRONMENT.oidc_secret,
                "settings": {"server_url": OIDC_ISSUER},
            }
        ]
        if OIDC_ISSUER
        else [],
    }
}
AXES_HANDLER = "controlplane.accounts.lockouts.Handler"
AXES_FAILURE_LIMIT = 5
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"], "username", "ip_address"]
AXES_USERNAME_CALLABLE = "controlplane.accounts.lockouts.name_of"
AXES_LOCKOUT_CALLABLE = "controlplane.accounts.lockouts.answer"
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False
AXES_VERBOSE = False
# The address as our middleware left it, and no other header.
AXES_IPWARE_META_PRECEDENCE_ORDER = ("REMOTE_ADDR",)

LANGUAGE_CODE = "en-us"
USE_I18N = False
USE_TZ = True
TIME_ZONE = "UTC"

STATIC_URL = "/static/"
STATIC_ROOT = HOME / "static"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.InMemoryStorage"},
    "staticfiles": {"BACKEND": "controlplane.assets.AssetStorage"},
}
# Only hashed names are ever asked for, so only they are kept.
WHITENOISE_KEEP_ONLY_HASHED_FILES = True
WHITENOISE_MAX_AGE = 600

_TLS = PUBLIC_URL.startswith("https://")
_ISSUER = urlsplit(OIDC_ISSUER)
SESSION_COOKIE_SECURE = _TLS
CSRF_COOKIE_SECURE = _TLS
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_AGE = 12 * 60 * 60
SECURE_HSTS_SECONDS = 31_536_000 if _TLS else 0
# Other hosts below this name are not ours to decide about (W005, W021), and the proxy that ends TLS redirects
# to it (W008): behind one that nobody trusts yet, a redirect of ours would never end.
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W008", "security.W021"]
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        # The console's reactive parts compile their expressions; nothing inline runs.
        "script-src": [SELF, UNSAFE_EVAL],
        "style-src": [SELF, UNSAFE_INLINE],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        # The streaming lane, where it has an address of its own.
        "connect-src": [SELF, *([LANE_URL] if LANE_URL != PUBLIC_URL else [])],
        "object-src": ["'none'"],
        "base-uri": [SELF],
        # Browsers hold the redirect that follows a form to this too.
        "form-action": [SELF, *([f"{_ISSUER.scheme}://{_ISSUER.netloc}"] if OIDC_ISSUER else [])],
        "frame-ancestors": ["'none'"],
    },
}
# The largest body of any endpoint (ingest, traces); the API's parsers hold others to 1 MiB.
DATA_UPLOAD_MAX_MEMORY_SIZE = 5 * 1024 * 1024
DATA_UPLOAD_MAX_NUMBER_FIELDS = 2_000

# Every view of ours names who may call it and how it is read; what does not is closed.
REST_FRAMEWORK: dict[str, Any] = {
    "DEFAULT_AUTHENTICATION_CLASSES": [],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_SCHEMA_CLASS": "controlplane.api.schema.ApiSchema",
    "DEFAULT_METADATA_CLASS": None,
    "DEFAULT_VERSIONING_CLASS": None,
    "EXCEPTION_HANDLER": "controlplane.api.problems.exception_handler",
    "UNAUTHENTICATED_USER": "django.contrib.auth.models.AnonymousUser",
    "URL_FORMAT_OVERRIDE": None,
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}
SPECTACULAR_SETTINGS: dict[str, Any] = {
    "TITLE": "Control plane",
    "DESCRIPTION": "What an agent may do, who approved it, what it cost, and the proof.",
    "VERSION": "1",
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "POSTPROCESSING_HOOKS": ["controlplane.api.schema.finish"],
}

UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "Control plane",
    "SITE_HEADER": "Control plane",
    "SITE_SYMBOL": "shield_person",
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": "controlplane.console.site.favicon"}],
    # What this installation is called, and how many requests wait for whoever looks, before the tab's title.
    "ENVIRONMENT": "controlplane.console.frame.environment",
    "ENVIRONMENT_TITLE_PREFIX": "controlplane.console.frame.title_count",
    "ACCOUNT": {"navigation": "controlplane.console.accounts.links.links"},
    "SHOW_HISTORY": False,
    "SHOW_VIEW_ON_SITE": False,
    # Dotted paths are called with the request.
    "STYLES": ["controlplane.console.site.stylesheet"],
    "SCRIPTS": ["controlplane.console.site.script", "controlplane.console.live.listening.script"],
    "SIDEBAR": {"show_search": True, "navigation": "controlplane.console.navigation.navigation"},
    # Slate: violet means that people are asked.
    "COLORS": {
        "primary": {
            "50": "oklch(98.4% .003 247.858)",
            "100": "oklch(96.8% .007 247.896)",
            "200": "oklch(92.9% .013 255.508)",
            "300": "oklch(86.9% .022 252.894)",
            "400": "oklch(70.4% .04 256.788)",
            "500": "oklch(55.4% .046 257.417)",
            "600": "oklch(44.6% .043 257.281)",
            "700": "oklch(37.2% .044 257.287)",
            "800": "oklch(27.9% .041 260.031)",
            "900": "oklch(20.8% .042 265.755)",
            "950": "oklch(12.9% .042 264.695)",
        },
    },
}

CELERY_BROKER_URL = celery_url(REDIS_URL)
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
# With late acknowledgement a task whose broker went away is delivered again: it must not go on here as well.
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = True
CELERY_BROKER_TRANSPORT_OPTIONS: dict[str, Any] = {
    # A task that is lost with its worker comes back after this; no task may run that long.
    "visibility_timeout": 900,
    # Without it only each tenth look for lost tasks looks.
    "unacked_restore_throttle": 1,
    "socket_connect_timeout": 2,
    "socket_timeout": 10,
}
# Whoever publishes inside a request must hear soon that the broker is away.
CELERY_TASK_PUBLISH_RETRY_POLICY = {"max_retries": 2, "interval_start": 0, "interval_step": 0.2, "interval_max": 0.5}
# Other people's servers may hang: what speaks to them has a worker of its own.
CELERY_TASK_ROUTES = {"delivery.send": {"queue": "outgoing"}}
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_TASK_TIME_LIMIT = 300
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_TIMEZONE = TIME_ZONE
CELERY_BEAT_SCHEDULE = SCHEDULE
CELERY_BEAT_SCHEDULE_FILENAME = str(HOME / "beat" / "schedule")

LOGGING_CONFIG = "controlplane.logging.configure"
LOGGING = log_options(
    style=ENVIRONMENT.log_format or ("console" if sys.stderr.isatty() else "json"), level=ENVIRONMENT.log_level
)
DJANGO_STRUCTLOG_CELERY_ENABLED = True
