"""ValidatingAdmissionPolicies of the chart."""
