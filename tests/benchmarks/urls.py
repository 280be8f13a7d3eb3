"""The product's addresses, and the references beside them."""

from __future__ import annotations

from django.urls import path

from controlplane.urls import urlpatterns as product
from tests.benchmarks import references

urlpatterns = [
    path("bench/hello", references.hello),
    path("bench/drf", references.DrfHello.as_view()),
    path("bench/orm", references.OrmDecision.as_view()),
    *product,
]
