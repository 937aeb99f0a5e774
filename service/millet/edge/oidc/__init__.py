"""An OpenID Connect issuer: tokens that it signed, and people whom it signs in."""

from millet.edge.oidc.code import Code
from millet.edge.oidc.issuer import Issuer
from millet.edge.oidc.tokens import Oidc

__all__ = ["Code", "Issuer", "Oidc"]
