"""What the API takes and answers, field by field, by the noun of the route. A route returns one of these."""
