"""Events of AWS that say something about a GPU node: each kind strictly modelled, all of them read into faults.

A package of its own beside the domain, because it stands on Powertools' model of EventBridge's envelope.
"""
