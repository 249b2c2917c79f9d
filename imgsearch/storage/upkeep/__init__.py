"""Operations on a whole library that a person requests: verify, repair, compact, rebind."""
